"""Every answer that a test gets from the API is held to the contract: its status, its shape, its error code."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from custody.api.app import routes_served
from custody.api.contract.document import openapi

_PROBLEM = "application/problem+json"


def expect_kept(method: str, path: str, answer: Any) -> None:
    """The answer to ``method path`` is one the contract knows, and kept by nobody on the way to its caller.

    What is no route of the contract is left alone but for that.
    """
    assert answer.headers["cache-control"] == "no-store", f"{method} {path} may be kept by what is in between"
    template = _template(method, path.partition("?")[0])
    if template is None:
        return
    operation = _document()["paths"][template][method.lower()]
    told = operation["responses"].get(str(answer.status_code))
    assert told is not None, f"{method} {template} answers {answer.status_code}, which no contract knows: {answer.text}"
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind in told["content"], f"{method} {template} {answer.status_code} is {kind}"
    found = answer.json()
    errors = [
        error.message
        for error in _validator(template, method.lower(), str(answer.status_code), kind).iter_errors(found)
    ]
    assert not errors, f"{method} {template} {answer.status_code}: {errors[:3]}"
    if not errors and kind != _PROBLEM:
        _expect_as_shown(told["content"][kind]["schema"], found, f"{method} {template}")
    if kind == _PROBLEM:
        assert found["code"] in told["x-codes"], f"{method} {template} is answered {found['code']}, unannounced"


def _expect_as_shown(schema: Any, found: Any, where: str) -> None:
    """What a document's example shows is there in the real one, by its name; fields beside it may come and go."""
    if "$ref" in schema:
        _expect_as_shown(_document()["components"]["schemas"][schema["$ref"].split("/")[-1]], found, where)
    elif schema.get("additionalProperties") is True:
        missing = set(schema["examples"][0]) - set(found)
        assert not missing, f"the example of {where} shows {sorted(missing)}, which no answer has"
    elif isinstance(found, list):
        for each in found:
            _expect_as_shown(schema.get("items", {}), each, f"{where}[]")
    elif isinstance(found, dict):
        for name, field in schema.get("properties", {}).items():
            if name in found:
                _expect_as_shown(field, found[name], f"{where} {name}")


@cache
def _document() -> dict[str, Any]:
    return openapi(routes_served())


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Templates without parameters first: a word there is no id."""
    paths = sorted(_document()["paths"], key=lambda path: (path.count("{"), path))
    return [(re.compile(re.sub(r"\\{[a-z]+\\}|\{[a-z]+\}", "[^/]+", path)), path) for path in paths]


def _template(method: str, path: str) -> str | None:
    for pattern, template in _patterns():
        if pattern.fullmatch(path) and method.lower() in _document()["paths"][template]:
            return template
    return None


@cache
def _validator(template: str, method: str, status: str, kind: str) -> Draft202012Validator:
    document = _document()
    schema = document["paths"][template][method]["responses"][status]["content"][kind]["schema"]
    return Draft202012Validator({**schema, "components": document["components"]})
