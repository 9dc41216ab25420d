"""One route for every kind of request: read, checked, handed to the room of its kind."""

from __future__ import annotations

from datetime import timedelta

import pytest

from custody.evidence.requests import PledgeRequest
from tests.integration.api.callers import As, expect_problem
from tests.support.world import BTC, REGTEST, House


@pytest.fixture
def house(house: House) -> House:
    house.open_client("acme", branch=7)
    house.credit("acme", BTC)
    return house


def pledge(house: House) -> PledgeRequest:
    return PledgeRequest(
        requester="exchange",
        client="acme",
        asset=REGTEST.asset.id,
        amount=1_000,
        secured_party="lender",
        position="pos-1",
        purpose="margin",
        not_after=house.now() + timedelta(days=1),
        idempotency_key="pledge-1",
    )


def test_takes_a_withdrawal_and_shows_its_intent(house: House, call_as: As) -> None:
    body = house.body(house.withdrawal_request("acme", BTC // 2))
    answer = call_as("exchange").post("/v1/intents", body)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (found["kind"], found["state"], found["tally"]["missing"]) == ("withdrawal", "pending", {"operators": 2})
    assert answer.headers["location"] == f"/v1/intents/{found['digest']}"
    again = call_as("exchange").post("/v1/intents", body)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert [item.digest for item in house.withdrawals()] == [found["digest"]]


def test_opens_a_client_as_its_own_route_does(house: House, call_as: As) -> None:
    body = house.body(house.opening_request("birch", branch=8))
    found = call_as("exchange").post("/v1/intents", body).json()
    assert (found["kind"], found["client"]) == ("client_opening", "birch")


def test_says_that_pledges_are_not_built_and_writes_nothing(house: House, call_as: As) -> None:
    before = house.row_counts()
    answer = call_as("exchange").post("/v1/intents", house.body(pledge(house)))
    expect_problem(answer, 403, "not-built", "request.kind")
    assert house.row_counts() == before


def test_names_what_is_wrong_and_writes_nothing(house: House, call_as: As) -> None:
    good = house.body(house.withdrawal_request("acme", BTC // 2))
    before = house.row_counts()
    for body, field in (
        ({**good, "request": {**good["request"], "kind": "gift"}}, "request.kind"),
        ({**good, "request": {**good["request"], "amount": "-1"}}, "request.amount"),
        ({"request": good["request"]}, "body.signature"),
        ({**good, "more": 1}, "body.more"),
        ({**good, "attachments": []}, "attachments"),
        ({**good, "attachments": {"root": {}}}, "attachments"),
    ):
        expect_problem(call_as("exchange").post("/v1/intents", body), 422, "invalid-input", field)
    expect_problem(call_as("north").post("/v1/intents", good), 403, "role-refused")
    assert house.row_counts() == before
