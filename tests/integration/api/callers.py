"""Calling the API as one of its callers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.testclient import TestClient

from tests.support.contract import expect_kept

TOKENS = {
    "exchange": ("requester", "token-of-the-exchange-000000000001"),
    "alice": ("operator", "token-of-alice-00000000000000000002"),
    "north": ("cosigner", "token-of-north-00000000000000000003"),
    "south": ("cosigner", "token-of-south-00000000000000000004"),
    "north-safe": ("cosigner", "token-of-north-safe-0000000000006"),
    "south-safe": ("cosigner", "token-of-south-safe-0000000000007"),
    "ticker": ("service", "token-of-the-ticker-000000000000008"),
    "auditor": ("reader", "token-of-the-auditor-00000000000005"),
}


@dataclass
class Caller:
    """One caller's view of the API."""

    client: TestClient
    name: str

    def send(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {TOKENS[self.name][1]}", **options.pop("headers", {})}
        answer = self.client.request(method, path, headers=headers, **options)
        expect_kept(method, path, answer)
        return answer

    def get(self, path: str, **options: Any) -> Any:
        return self.send("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return self.send("POST", path, json=body, **options) if body is not None else self.send("POST", path, **options)


PROBLEM_FIELDS = {
    *("type", "title", "status", "code", "detail", "field", "pointer", "money", "retryable", "request_id", "docs")
}
As = Callable[[str], Caller]


def expect_problem(answer: Any, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """The answer is this problem document, under the id of its header."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert set(document) == PROBLEM_FIELDS
    assert (document["status"], document["code"], document["type"]) == (status, code, f"/problems/{code}")
    assert document["request_id"] == answer.headers["request-id"]
    assert field is None or document["field"] == field
    return document


def pages(caller: Caller, path: str, name: str) -> list[dict[str, Any]]:
    """Every row, by following ``next``."""
    found: list[dict[str, Any]] = []
    following: str | None = path
    while following is not None:
        answer = caller.get(following)
        assert answer.status_code == 200, answer.text
        found += answer.json()[name]
        following = answer.json()["next"]
    return found
