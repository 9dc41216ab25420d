"""The OpenAPI 3.1 document: made of the application's own routes and the table of operations, so neither lies alone."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.dependencies.utils import get_dependant
from fastapi.routing import iter_route_contexts

from custody.api import leaving
from custody.api.contract.operation import ANY_CALL, Operation
from custody.api.contract.operations import OPERATIONS
from custody.api.contract.parameters import TAGS, told
from custody.api.contract.shapes import Shape, example_of, ref
from custody.api.contract.things import THINGS
from custody.api.versions import SERVED
from custody.evidence.calls import VERSION_HEADER
from custody.kernel.problems import PROBLEMS

VERSION: Final = "1.0.0"
_PROBLEM: Final = "application/problem+json"
_DESCRIPTION: Final = (
    "Amounts are decimal strings with base units beside them; assets are CAIP-19, accounts CAIP-10, times RFC 3339 in "
    "UTC. What becomes an intent carries its requester's Ed25519 signature in its body, however the call is signed. "
    "Lists are read a page at a time by `next`, a path. Every problem says what it means for the money."
)


@dataclass(frozen=True, slots=True)
class Served:
    """One route of the application."""

    method: str
    path: str
    endpoint: Any


def served(app: FastAPI) -> list[Served]:
    """Every route of ``app`` that is for programs: the console's pages are none."""
    found = [
        Served(method, str(context.path), getattr(context, "endpoint", None))
        for context in iter_route_contexts(app.routes)
        for method in context.methods or ()
        if method != "HEAD" and not str(context.path).startswith("/console")
    ]
    return sorted(found, key=lambda route: (route.path, route.method))


def openapi(routes: Iterable[Served]) -> dict[str, Any]:
    """The whole document. Raises ``KeyError`` for a route that the table does not describe."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = OPERATIONS[route.method, route.path]
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Custody",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "contact": {"name": "Whoever operates this house"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"signature": []}],
        "tags": [{"name": tag, "description": TAGS[tag]} for tag in sorted({each.tag for each in OPERATIONS.values()})],
        "paths": paths,
        "components": {
            "examples": {code: {"value": _told(code)} for code in sorted(_first_codes())},
            "schemas": {name: dict(shape) for name, shape in sorted(THINGS.items())},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Signature",
                    "description": "RFC 9421 HTTP Message Signatures, tag custody-v1.",
                },
            },
        },
    }


def codes_of(operation: Operation) -> list[str]:
    """Every code the operation may be answered with."""
    return sorted({*operation.codes, *(() if operation.is_open else ANY_CALL), "database-unavailable", "internal"})


def _operation(route: Served, operation: Operation) -> dict[str, Any]:
    words = inspect.getdoc(route.endpoint) or ""
    found: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": words.split("\n", 1)[0],
        "description": words,
        "parameters": [*_parameters(route), *_key(operation), *_version(operation)],
        "responses": _responses(operation, is_read=route.method == "GET"),
    }
    if operation.is_open:
        found["security"] = []
    if (route.method, route.path) in leaving.LEAVING:
        found["deprecated"] = True
    if operation.body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": _content(operation.body)}}
    return found


def _responses(operation: Operation, *, is_read: bool) -> dict[str, Any]:
    meaning = {**_STATUS, 200: "As it stands."} if is_read else _STATUS
    found: dict[str, Any] = {
        str(status): {"description": meaning[status], "content": {"application/json": _content(shape)}}
        for status, shape in operation.answers.items()
    }
    for status, codes in sorted(_by_status(operation).items()):
        words = f"A problem, with one of the codes in `x-codes`; /problems says what each means. First: {codes[0]}."
        examples = {codes[0]: {"$ref": f"#/components/examples/{codes[0]}"}}
        content = {_PROBLEM: {"schema": ref("Problem"), "examples": examples}}
        known = found.get(str(status), {"description": words, "content": {}})
        found[str(status)] = {**known, "content": {**known["content"], **content}, "x-codes": codes}
    return found


def _first_codes() -> set[str]:
    """The codes that stand as the example of some answer: the first of each status of each operation."""
    return {codes[0] for operation in OPERATIONS.values() for codes in _by_status(operation).values()}


def _by_status(operation: Operation) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for code in codes_of(operation):
        found.setdefault(PROBLEMS[code].status, []).append(code)
    return found


def _told(code: str) -> Any:
    line = PROBLEMS[code]
    return example_of(THINGS["Problem"], THINGS) | {
        "type": line.type,
        "title": line.title,
        "status": line.status,
        "code": code,
        "detail": line.meaning,
        "field": None,
        "pointer": None,
        "money": line.money,
        "retryable": line.retryable,
        "docs": line.type,
    }


def _content(shape: Shape) -> dict[str, Any]:
    return {"schema": shape, "example": example_of(shape, THINGS)}


def _parameters(route: Served) -> list[dict[str, Any]]:
    """Of path and query, as the route itself reads them."""
    dependant = get_dependant(path=route.path, call=route.endpoint)
    named = [(each, "path") for each in dependant.path_params] + [(each, "query") for each in dependant.query_params]
    return [_parameter(route.path, each, place) for each, place in named]


def _parameter(path: str, each: Any, place: str) -> dict[str, Any]:
    is_number = "int" in str(getattr(each.field_info, "annotation", ""))
    words, example = told(path, each.alias)
    return {
        "name": each.alias,
        "in": place,
        "required": place == "path" or bool(each.field_info.is_required()),
        "description": words,
        "example": example,
        "schema": {"type": "integer" if is_number else "string"},
    }


def _key(operation: Operation) -> list[dict[str, Any]]:
    if not operation.key:
        return []
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": operation.key == "required",
            "description": "The key of the call; where the body carries a signed request, the key in that request.",
            "example": "order-17",
            "schema": {"type": "string"},
        }
    ]


def _version(operation: Operation) -> list[dict[str, Any]]:
    if operation.is_open:
        return []
    return [
        {
            "name": VERSION_HEADER,
            "in": "header",
            "required": False,
            "description": "The dated contract the call was written for; every answer names the one it is of.",
            "example": SERVED[-1],
            "schema": {"type": "string", "enum": list(SERVED)},
        }
    ]


_STATUS: Final[Mapping[int, str]] = {
    200: "It is so, or was so before: then `Idempotency-Replayed` is `true`.",
    201: "It is written.",
    202: "It is taken, and done later: `Location` says where to look.",
    503: "Not ready.",
}
