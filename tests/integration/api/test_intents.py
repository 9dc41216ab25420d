"""Intents and approvals over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest

from custody.evidence.intents import Intent
from tests.integration.api.callers import As, expect_problem
from tests.support.world import BTC, House


@pytest.fixture
def house(house: House) -> House:
    house.open_client("acme", branch=7)
    house.credit("acme", BTC)
    return house


@pytest.fixture
def digest(house: House) -> str:
    return house.withdraw(house.withdrawal_request("acme", BTC // 2)).digest


def test_shows_everything_a_person_needs_to_decide(house: House, call_as: As, digest: str) -> None:
    found = call_as("alice").get(f"/v1/intents/{digest}").json()
    assert Intent.parse(found["document"]).digest == digest
    assert found["words"][0].startswith("Pay 0.50000000 BTC to ")
    assert found["words"][-1] == f"code {found['code']}"
    assert (found["decision"]["outcome"], found["decision"]["approvals"]) == ("require", {"operators": 2})
    assert found["tally"] == {"approved": [], "missing": {"operators": 2}, "missing_roles": [], "met": False}
    assert found["missing_people"] == {"operators": ["alice", "bob", "carol"]}
    assert [item["digest"] for item in call_as("alice").get("/v1/intents?state=pending").json()["intents"]] == [digest]


def test_counts_each_person_once_until_enough_agree(house: House, call_as: As, digest: str) -> None:
    path = f"/v1/intents/{digest}/approvals"
    first = call_as("alice").post(path, house.approval("alice", digest).to_json())
    assert (first.status_code, first.json()["tally"]["missing"]) == (201, {"operators": 1})
    expect_problem(call_as("alice").post(path, house.approval("alice", digest).to_json()), 409, "already-spoken")
    second = call_as("alice").post(path, house.approval("bob", digest).to_json()).json()
    assert (second["state"], second["tally"]["approved"]) == ("approved", ["alice", "bob"])
    expect_problem(call_as("alice").post(path, house.approval("carol", digest).to_json()), 409, "not-waiting")
    assert call_as("alice").get("/v1/intents").json() == {"intents": [], "next": None}


def test_one_rejection_ends_it(house: House, call_as: As, digest: str) -> None:
    body = house.approval("carol", digest, verdict="reject").to_json()
    found = call_as("alice").post(f"/v1/intents/{digest}/approvals", body).json()
    assert found["state"] == "rejected"
    assert [item["verdict"] for item in found["approvals"]] == ["reject"]


def test_refuses_statements_that_do_not_count(house: House, call_as: As, digest: str) -> None:
    now, path = house.now(), f"/v1/intents/{digest}/approvals"
    good = house.approval("alice", digest).to_json()
    late = {"given_at": now - timedelta(hours=2), "not_after": now - timedelta(hours=1)}
    turned = {**good, "statement": {**good["statement"], "verdict": "reject"}}
    bad = [
        house.approval("alice", "1" * 64).to_json(),
        house.approval("alice", digest, **late).to_json(),
        house.approval("exchange", digest).to_json(),
        house.approval("mallory", digest).to_json(),
        turned,
    ]
    before = house.row_counts()
    for body in bad:
        expect_problem(call_as("alice").post(path, body), 403, "approval-refused")
    assert house.row_counts() == {**before, "audit_events": before["audit_events"] + len(bad)}
    assert call_as("alice").post(path, good).status_code == 201


def test_knows_no_intent_that_was_never_filed(house: House, call_as: As) -> None:
    expect_problem(call_as("alice").get(f"/v1/intents/{'0' * 64}"), 404, "unknown-intent", "digest")
    expect_problem(call_as("alice").get("/v1/intents/xyz"), 422, "invalid-input", "digest")
    body = house.approval("alice", "0" * 64).to_json()
    expect_problem(call_as("alice").post(f"/v1/intents/{'0' * 64}/approvals", body), 404, "unknown-intent")
