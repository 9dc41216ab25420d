"""Withdrawals over HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.api.callers import As, expect_problem
from tests.support.world import BTC, House, address


@pytest.fixture
def house(house: House) -> House:
    house.open_client("acme", branch=7)
    house.credit("acme", BTC)
    return house


def test_answers_the_five_questions_about_one_that_policy_allows(house: House, call_as: As) -> None:
    answer = call_as("exchange").post("/v1/withdrawals", house.body(house.withdrawal_request("acme", 2_000_000)))
    assert answer.status_code == 201
    found = answer.json()
    assert answer.headers["location"] == f"/v1/withdrawals/{found['id']}"
    assert found["amount"] == {"decimal": "0.02000000", "base_units": "2000000"}
    assert found["asset"]["code"] == "BTC"
    assert (found["destination"], found["client"], found["vault"]) == (address("somebody"), "acme", "kst_demo/7")
    assert (found["status"], found["next_actor"], found["missing_approvals"]) == ("approved", "nobody", {})
    assert len(found["intent_digest"]) == 64
    assert len(found["digest_code"].split()) == 4
    assert found["attempts"] == []
    assert (found["fee"], found["max_fee"]["base_units"], found["held"]["base_units"]) == (None, "20000", "2020000")
    assert [(step["from"], step["to"]) for step in found["steps"]] == [("requested", "approved")]
    assert call_as("auditor").get(f"/v1/withdrawals/{found['id']}").json() == found


def test_says_who_is_awaited_and_how_many(house: House, call_as: As) -> None:
    found = call_as("exchange").post("/v1/withdrawals", house.body(house.withdrawal_request("acme", BTC // 2))).json()
    assert (found["status"], found["next_actor"], found["missing_approvals"]) == (
        "pending_approval",
        "operators",
        {"operators": 2},
    )
    assert "2 of operators" in found["reason"]


def test_answers_a_denied_one_with_its_reason(house: House, call_as: As) -> None:
    answer = call_as("exchange").post("/v1/withdrawals", house.body(house.withdrawal_request("acme", 2 * BTC)))
    found = answer.json()
    assert (answer.status_code, found["status"], found["reason_code"]) == (201, "denied", "policy")
    assert "more than 1 BTC at once" in found["reason"]
    assert found["held"]["base_units"] == "0"
    assert house.balance("acme") == (BTC, 0)


def test_replays_the_same_request_as_it_stands_now(house: House, call_as: As) -> None:
    body = house.body(house.withdrawal_request("acme", 2_000_000))
    first = call_as("exchange").post("/v1/withdrawals", body)
    call_as("exchange").post(f"/v1/withdrawals/{first.json()['id']}/cancel")
    again = call_as("exchange").post("/v1/withdrawals", body)
    assert (first.status_code, "idempotency-replayed" in first.headers) == (201, False)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert (again.json()["id"], again.json()["status"]) == (first.json()["id"], "cancelled")


def test_refuses_what_the_client_does_not_have(house: House, call_as: As) -> None:
    before = house.row_counts()
    answer = call_as("exchange").post("/v1/withdrawals", house.body(house.withdrawal_request("acme", BTC)))
    expect_problem(answer, 403, "insufficient-funds")
    assert house.row_counts() == before


def test_refuses_an_unknown_client(house: House, call_as: As) -> None:
    before = house.row_counts()
    answer = call_as("exchange").post("/v1/withdrawals", house.body(house.withdrawal_request("nobody", BTC)))
    expect_problem(answer, 404, "unknown-client")
    assert house.row_counts() == before


def test_refuses_a_request_signed_by_somebody_else(house: House, call_as: As) -> None:
    request = house.withdrawal_request("acme", 2_000_000)
    signature = house.signed(replace(request, amount=1_000_000)).to_json()
    answer = call_as("exchange").post("/v1/withdrawals", {"request": request.to_json(), "signature": signature})
    expect_problem(answer, 403, "request-refused", "signature.signature")


def test_cancels_while_nobody_can_have_signed(house: House, call_as: As) -> None:
    found = house.withdraw(house.withdrawal_request("acme", 2_000_000))
    for caller in ("exchange", "alice"):
        answer = call_as(caller).post(f"/v1/withdrawals/{found.id}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert answer.json()["reason"] == "cancelled by exchange"
        assert answer.json()["held"]["base_units"] == "0"
    assert house.balance("acme") == (BTC, 0)


def test_lists_by_client_and_state(house: House, call_as: As) -> None:
    house.withdraw(house.withdrawal_request("acme", 2_000_000))
    house.withdraw(house.withdrawal_request("acme", 2 * BTC))
    reader = call_as("auditor")
    assert len(reader.get("/v1/withdrawals").json()["withdrawals"]) == 2
    assert len(reader.get("/v1/withdrawals?client=acme&state=denied").json()["withdrawals"]) == 1
    assert reader.get("/v1/withdrawals?client=other").json()["withdrawals"] == []
    expect_problem(reader.get("/v1/withdrawals?state=lost"), 422, "invalid-input", "state")


def test_refuses_to_replace_what_was_not_sent(house: House, call_as: As) -> None:
    found = house.withdraw(house.withdrawal_request("acme", 2_000_000))
    path = f"/v1/withdrawals/{found.id}/replacements"
    expect_problem(call_as("alice").post(path, {"fee_rate_sat_vb": 20}), 409, "nothing-to-replace")
    for rate in (0, -1, 10_001, "20", True, None):
        answer = call_as("alice").post(path, {"fee_rate_sat_vb": rate})
        expect_problem(answer, 422, "invalid-input", "fee_rate_sat_vb")


@pytest.mark.parametrize("name", ["wdr_1", "dep_01ARZ3NDEKTSV4RRFFQ69G5FAV", "%00", "a" * 5000])
def test_says_which_kind_of_id_was_expected(house: House, call_as: As, name: str) -> None:
    problem = expect_problem(call_as("auditor").get(f"/v1/withdrawals/{name}"), 422, "invalid-input", "withdrawal")
    assert "wdr_" in problem["detail"]


def test_knows_no_withdrawal_it_was_never_asked_for(house: House, call_as: As) -> None:
    answer = call_as("auditor").get("/v1/withdrawals/wdr_01ARZ3NDEKTSV4RRFFQ69G5FAV")
    expect_problem(answer, 404, "unknown-withdrawal")
