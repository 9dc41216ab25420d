"""What exchanges read and ask for: pages that lose nothing, balances that add up, bulk addresses, quotes, dry runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.cosigner.builders import BTC, address
from tests.integration.api.callers import As, Caller, expect_problem, pages
from tests.integration.api.working import work_off
from tests.integration.movements.counting import statements_of
from tests.support.world import House

KEY = {"Idempotency-Key": "many-1"}


@pytest.fixture
def acme(house: House) -> House:
    """A client with 10 BTC in the books."""
    house.open_client("acme", branch=1, stock=12)
    house.credit("acme", 10 * BTC)
    return house


def test_pages_put_together_are_the_set_at_the_cursors_time(acme: House, call_as: As) -> None:
    auditor = call_as("auditor")
    before = [acme.withdraw(acme.withdrawal_request("acme", 1_000_000 + number)).id for number in range(7)]
    first = auditor.get("/v1/withdrawals?client=acme&limit=3").json()
    later = acme.withdraw(acme.withdrawal_request("acme", 3_000_000)).id
    found = first["withdrawals"] + pages(auditor, first["next"], "withdrawals")
    assert [each["id"] for each in found] == [*sorted(before), later]
    assert [each["id"] for each in pages(auditor, "/v1/withdrawals?limit=1", "withdrawals")] == [*sorted(before), later]
    given = [acme.address("acme").address for _ in range(5)]
    shown = pages(auditor, "/v1/clients/acme/addresses?limit=2", "addresses")
    assert [each["address"] for each in shown] == given
    assert shown[0]["account"] == f"{shown[0]['chain']}:{given[0]}"
    acme.open_client("birch", branch=2)
    assert [each["id"] for each in pages(auditor, "/v1/clients?limit=1", "clients")] == ["acme", "birch"]
    for _ in range(3):
        acme.withdraw(acme.withdrawal_request("acme", 6_000_000))
    assert len({each["digest"] for each in pages(auditor, "/v1/intents?limit=1", "intents")}) == 3
    assert len(pages(auditor, "/v1/queue?limit=2", "rows")) == 3
    assert len(pages(call_as("alice"), "/v1/queue?place=needs_me&limit=2", "rows")) == 3


def test_a_list_costs_the_same_however_long_it_is(acme: House, call_as: As) -> None:
    auditor = call_as("auditor")
    paths = [
        "/v1/withdrawals",
        "/v1/clients",
        "/v1/clients/acme",
        "/v1/clients/acme/addresses",
        "/v1/clients/acme/balances",
        "/v1/clients/acme/deposits",
        "/v1/intents",
        "/v1/queue",
    ]

    def cost() -> list[int]:
        return [len(statements_of(acme.db, lambda path=path: auditor.get(path))) for path in paths]  # type: ignore[misc]

    def more(names: tuple[str, ...]) -> None:
        for place, name in enumerate(names, start=acme.now().microsecond % 1_000 + 10):
            acme.open_client(name, branch=place * 7 + len(name))
        for amount in (1_000_000, 6_000_000):
            acme.withdraw(acme.withdrawal_request("acme", amount))
            acme.address("acme")

    more(("birch",))
    few = cost()
    for _ in range(3):
        more(())
    assert cost() == few


def test_balances_are_the_sum_of_their_parts(acme: House, call_as: As) -> None:
    small = acme.withdraw(acme.withdrawal_request("acme", 1_000_000))
    large = acme.withdraw(acme.withdrawal_request("acme", 6_000_000, purpose="to the cold store"))
    found = call_as("auditor").get("/v1/clients/acme/balances").json()
    (balance,) = found["balances"]
    assert {hold["withdrawal"]: hold["purpose"] for hold in balance["holds"]} == {
        small.id: "withdrawal",
        large.id: "to the cold store",
    }
    units = {part: int(balance[part]["base_units"]) for part in ("total", "available", "held", "pledged")}
    assert sum(int(hold["amount"]["base_units"]) for hold in balance["holds"]) == units["held"] == 7_040_000
    assert units["total"] == units["available"] + units["held"] + units["pledged"] == 10 * BTC
    assert (balance["pledges"], balance["other_holds"]["base_units"]) == ([], "0")
    assert call_as("auditor").get("/v1/pledges?client=acme").json() == {"pledges": []}
    expect_problem(call_as("auditor").get("/v1/clients/nobody/balances"), 404, "unknown-client", "client")


def test_many_addresses_are_a_job_that_is_asked_for_once(acme: House, call_as: As) -> None:
    exchange, path = call_as("exchange"), "/v1/clients/acme/addresses/bulk"
    expect_problem(exchange.post(path, {"chain": None, "count": 6}), 400, "idempotency-key-missing", "idempotency-key")
    asked = exchange.post(path, {"chain": None, "count": 14}, headers=KEY)
    assert (asked.status_code, asked.json()["status"]) == (202, "running")
    where = asked.headers["location"]
    again = exchange.post(path, {"chain": None, "count": 14}, headers=KEY)
    assert (again.status_code, again.headers["idempotency-replayed"], again.json()) == (200, "true", asked.json())
    other = exchange.post(path, {"chain": None, "count": 15}, headers=KEY)
    expect_problem(other, 422, "idempotency-mismatch", "count")
    for bad in (0, 10_001, "6"):
        expect_problem(exchange.post(path, {"chain": None, "count": bad}, headers=KEY), 422, "invalid-input", "count")
    work_off(acme)
    resting = exchange.get(where).json()
    assert (resting["done"], resting["reason"]) == (12, "addresses to be derived")
    acme.stock(acme.vaults["acme"], 5)
    work_off(acme, ahead=timedelta(minutes=5))
    done = exchange.get(f"{where}?limit=5").json()
    assert (done["status"], done["done"], done["is_over"]) == ("completed", 14, True)
    given = [each["address"] for each in pages(exchange, f"{where}?limit=5", "addresses")]
    assert len(set(given)) == 14
    assert given == [each["address"] for each in pages(exchange, "/v1/clients/acme/addresses", "addresses")]
    told = exchange.get("/v1/events?type=job").json()["events"]
    assert [event["type"] for event in told] == ["job.asked", "job.waiting", "job.completed"]
    assert told[-1]["data"]["is_over"] and {event["client"] for event in told} == {"acme"}
    expect_problem(exchange.get("/v1/jobs/job_01ARZ3NDEKTSV4RRFFQ69G5FAV"), 404, "unknown-job", "job")


def test_a_dry_run_says_what_would_become_of_it_and_writes_nothing(acme: House, call_as: As) -> None:
    before, exchange = acme.row_counts(), call_as("exchange")
    small, large = acme.withdrawal_request("acme", 1_000_000), acme.withdrawal_request("acme", 6_000_000)
    told = exchange.post("/v1/withdrawals/evaluate", {"request": small.to_json()}).json()
    assert (told["verdict"], told["status"], told["signed"], told["sufficient"]) == ("allow", "approved", False, True)
    assert told["balances"]["after"]["available"]["decimal"] == "9.98980000"
    told = exchange.post("/v1/withdrawals/evaluate", acme.body(large)).json()
    assert (told["verdict"], told["status"], told["signed"]) == ("require", "pending_approval", True)
    assert told["missing_approvals"] == {"operators": 2}
    assert told["missing_people"] == {"operators": ["alice", "bob", "carol"]}
    assert told["holds"]["base_units"] == "6020000"
    too_much = replace(large, amount=2 * BTC)
    told = exchange.post("/v1/withdrawals/evaluate", {"request": too_much.to_json()}).json()
    assert (told["verdict"], told["status"], told["holds"]["base_units"]) == ("deny", "denied", "0")
    forged = {"request": too_much.to_json(), "signature": acme.signed(large).to_json()}
    expect_problem(exchange.post("/v1/withdrawals/evaluate", forged), 403, "request-refused", "signature.signature")
    assert acme.row_counts() == before
    real = exchange.post("/v1/withdrawals", acme.body(large)).json()
    assert (real["status"], real["intent_digest"]) == ("pending_approval", _digest(exchange, large))


def _digest(exchange: Caller, request: Any) -> str:
    return str(exchange.post("/v1/withdrawals/evaluate", {"request": request.to_json()}).json()["intent_digest"])


def test_a_reference_is_the_clients_own_once_and_for_ever(acme: House, call_as: As) -> None:
    exchange, hers = call_as("exchange"), "invoice 4711/b"
    first = acme.withdrawal_request("acme", 1_000_000)
    made = exchange.post("/v1/withdrawals", acme.body(first) | {"reference": hers}).json()
    assert (made["reference"], made["status"]) == (hers, "approved")
    again = exchange.post("/v1/withdrawals", acme.body(first) | {"reference": hers})
    assert (again.status_code, again.json()["id"]) == (200, made["id"])
    before = acme.row_counts()
    for other in ({}, {"reference": "invoice 4712"}):
        differs = exchange.post("/v1/withdrawals", acme.body(first) | other)
        expect_problem(differs, 422, "idempotency-mismatch", "reference")
    second = acme.withdrawal_request("acme", 2_000_000)
    taken = exchange.post("/v1/withdrawals", acme.body(second) | {"reference": hers})
    assert expect_problem(taken, 409, "reference-taken", "reference")["retryable"] is False
    for wrong in ("", " x", "x" * 129, 7, None):
        odd = exchange.post("/v1/withdrawals", acme.body(second) | {"reference": wrong})
        expect_problem(odd, 422, "invalid-input", "reference")
    exchange.post(f"/v1/withdrawals/{made['id']}/cancel")
    taken = exchange.post("/v1/withdrawals", acme.body(second) | {"reference": hers})
    expect_problem(taken, 409, "reference-taken", "reference")
    after = acme.row_counts()
    assert {name: after[name] - before[name] for name in ("withdrawals", "intents")} == {"withdrawals": 0, "intents": 0}
    with pytest.raises(DBAPIError, match="withdrawals is append-only"), acme.db.unit() as unit:
        unit.session.execute(text("UPDATE withdrawals SET reference = 'another'"))


def test_a_withdrawal_is_found_by_its_clients_reference(acme: House, call_as: As) -> None:
    """And told with it in its events; not in the words that people approve, which are signed."""
    exchange = call_as("exchange")
    acme.open_client("birch", branch=2)
    acme.credit("birch", BTC)
    exchange.post("/v1/withdrawals", acme.body(acme.withdrawal_request("acme", 1_000_000)))
    made = {}
    for client in ("acme", "birch"):
        body = acme.body(acme.withdrawal_request(client, 6_000_000)) | {"reference": "4711"}
        made[client] = exchange.post("/v1/withdrawals", body).json()["id"]
    found = pages(exchange, "/v1/withdrawals?reference=4711&limit=1", "withdrawals")
    assert [(each["id"], each["reference"]) for each in found] == [(each, "4711") for each in sorted(made.values())]
    one = exchange.get("/v1/withdrawals?reference=4711&client=birch").json()["withdrawals"]
    assert [each["id"] for each in one] == [made["birch"]]
    assert exchange.get("/v1/withdrawals?reference=4712").json()["withdrawals"] == []
    told = exchange.get("/v1/events?client=acme&type=withdrawal&limit=200").json()["events"]
    assert {each["data"]["reference"] for each in told if each["object"]["id"] == made["acme"]} == {"4711"}
    intent = exchange.get(f"/v1/intents/{one[0]['intent_digest']}").json()
    assert "4711" not in str(intent["words"]) + str(intent["document"])


def test_a_quote_asks_the_node_and_says_when_it_does_not_answer(acme: House, call_as: As) -> None:
    body = {"request": acme.withdrawal_request("acme", 1_000_000).to_json()}
    assert expect_problem(call_as("exchange").post("/v1/withdrawals/quote", body), 503, "node-unavailable")["retryable"]


def test_the_header_may_only_repeat_the_signed_key(acme: House, call_as: As) -> None:
    before, exchange = acme.row_counts(), call_as("exchange")
    request = acme.withdrawal_request("acme", 1_000_000)
    other = exchange.post("/v1/withdrawals", acme.body(request), headers={"Idempotency-Key": "another"})
    expect_problem(other, 422, "idempotency-key-differs", "idempotency-key")
    assert acme.row_counts() == before
    same = {"Idempotency-Key": request.idempotency_key}
    assert exchange.post("/v1/withdrawals", acme.body(request), headers=same).status_code == 201


def test_assets_are_refused_in_any_other_spelling_with_the_right_one(acme: House, call_as: As) -> None:
    request = acme.withdrawal_request("acme", 1_000_000, destination=address("somebody"))
    odd = replace(request, asset=request.asset.upper())
    problem = expect_problem(call_as("exchange").post("/v1/withdrawals", acme.body(odd)), 422, "invalid-input")
    assert (problem["field"], request.asset in problem["detail"]) == ("request.asset", True)


def test_problems_lead_to_what_they_mean(call_as: As) -> None:
    problem = call_as("auditor").get("/v1/clients/nobody").json()
    meant = call_as("auditor").get(problem["docs"]).json()
    assert (meant["code"], meant["status"], meant["money"]) == ("unknown-client", 404, problem["money"])
    listed = call_as("auditor").get("/problems").json()["problems"]
    assert "idempotency-mismatch" in {each["code"] for each in listed}
    expect_problem(call_as("auditor").get("/problems/nothing"), 404, "not-found", "code")


def test_reconciliation_says_where_each_chain_stands(house: House, call_as: As) -> None:
    found = call_as("auditor").get("/v1/reconciliation").json()
    assert (found["status"], [each["status"] for each in found["chains"]], found["breaks"]) == (
        "balanced",
        ["never"],
        [],
    )
