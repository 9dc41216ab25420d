"""The contract: valid OpenAPI 3.1, one whole entry per route, and no break of what was promised."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from custody.api.app import routes_served
from custody.api.contract.operations import OPERATIONS
from custody.evidence.requests import (
    ClientOpeningRequest,
    FreezeRequest,
    RespendRequest,
    StrayReturnRequest,
    WithdrawalRequest,
)
from custody.evidence.signatures import Signature
from custody.kernel.problems import PROBLEMS
from tests.architecture import contract


def test_is_valid_and_as_committed() -> None:
    document = contract.made()
    validate(document, cls=OpenAPIV31SpecValidator)
    assert contract.FILE.read_text() == contract.written(document), "python -m tests.architecture.contract"


def test_every_route_is_described_and_nothing_else_is() -> None:
    assert {(route.method, route.path) for route in routes_served()} == set(OPERATIONS)
    ids = [operation.id for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(ids)
    assert {code for operation in OPERATIONS.values() for code in operation.codes} <= set(PROBLEMS)


def test_every_operation_has_words_and_whole_examples() -> None:
    document = contract.made()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"].endswith("."), (method, path)
            for status, answer in operation["responses"].items():
                for content in answer["content"].values():
                    schema = {**content["schema"], "components": document["components"]}
                    named = content.get("examples", {}).values()
                    examples = [
                        document["components"]["examples"][each["$ref"].split("/")[-1]]["value"] for each in named
                    ]
                    for example in examples or [content["example"]]:
                        errors = list(Draft202012Validator(schema).iter_errors(example))
                        assert not errors, (method, path, status, errors[:1])


def test_every_parameter_and_body_has_an_example_and_every_noun_its_words() -> None:
    document = contract.made()
    assert all(tag["description"] for tag in document["tags"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for each in operation["parameters"]:
                assert each["description"] and each["example"] is not None, (method, path, each["name"])
                kind = {"string": str, "integer": int}[each["schema"]["type"]]
                assert isinstance(each["example"], kind), (method, path, each["name"])
            if "requestBody" in operation:
                content = operation["requestBody"]["content"]["application/json"]
                schema = {**content["schema"], "components": document["components"]}
                Draft202012Validator(schema).validate(content["example"])
                assert {} not in (content["example"], *content["example"].values()), (method, path)


@pytest.mark.parametrize(
    ("operation", "read"),
    [
        ("createWithdrawal", WithdrawalRequest.parse),
        ("quoteWithdrawal", WithdrawalRequest.parse),
        ("evaluateWithdrawal", WithdrawalRequest.parse),
        ("openClient", ClientOpeningRequest.parse),
        ("createRespend", RespendRequest.parse),
        ("createReturn", StrayReturnRequest.parse),
        ("createIntent", FreezeRequest.parse),
    ],
)
def test_the_example_of_a_request_is_one_that_is_read(operation: str, read: Callable[[object], object]) -> None:
    document = contract.made()
    (found,) = [each for methods in document["paths"].values() for each in methods.values() if _is(each, operation)]
    sent = found["requestBody"]["content"]["application/json"]["example"]
    assert read(sent["request"])
    assert Signature.parse(sent["signature"], field="signature")


def _is(found: Any, operation: str) -> bool:
    return bool(found["operationId"] == operation)


def _without_operation(document: Any) -> str:
    del document["paths"]["/v1/withdrawals"]["get"]
    return "GET /v1/withdrawals is gone"


def _without_field(document: Any) -> str:
    del document["components"]["schemas"]["Money"]["properties"]["base_units"]
    return ".base_units is gone"


def _with_wanted_key(document: Any) -> str:
    for each in document["paths"]["/v1/withdrawals"]["post"]["parameters"]:
        each["required"] = True
    return "POST /v1/withdrawals cannot do without Idempotency-Key any more"


def _of_another_kind(document: Any) -> str:
    document["components"]["schemas"]["Asset"]["properties"]["decimals"]["type"] = "string"
    return ".decimals is of another kind"


def _without_word(document: Any) -> str:
    document["components"]["schemas"]["Client"]["properties"]["status"]["enum"].remove("frozen")
    return "knows no frozen any more"


@pytest.mark.parametrize(
    "harm", [_without_operation, _without_field, _with_wanted_key, _of_another_kind, _without_word]
)
def test_a_break_is_seen(harm: Any) -> None:
    document = contract.made()
    assert contract.breaks(document, document) == []
    harmed = copy.deepcopy(document)
    words = harm(harmed)
    assert any(words in found for found in contract.breaks(document, harmed))
