"""Clients over HTTP: opening, money, addresses, deposits, keysets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.api.callers import As, expect_problem
from tests.integration.deposits.world import as_superuser
from tests.support.world import BTC, KEYSET, House


def test_takes_an_opening_that_people_must_agree_to(house: House, call_as: As) -> None:
    body = house.body(house.opening_request("acme", branch=7))
    answer = call_as("exchange").post("/v1/clients", body)
    found = answer.json()
    assert (answer.status_code, found["client"], found["state"]) == (202, "acme", "pending")
    assert answer.headers["location"] == f"/v1/intents/{found['digest']}"
    again = call_as("exchange").post("/v1/clients", body)
    assert (again.status_code, again.headers["idempotency-replayed"], again.json()) == (200, "true", found)
    assert call_as("auditor").get("/v1/clients").json() == {"clients": [], "next": None}


def test_refuses_an_opening_under_a_used_key_and_records_that(house: House, call_as: As) -> None:
    request = house.opening_request("acme", branch=7)
    digest = call_as("exchange").post("/v1/clients", house.body(request)).json()["digest"]
    before = house.row_counts()
    other = house.body(replace(request, branch=8))
    expect_problem(call_as("exchange").post("/v1/clients", other), 422, "idempotency-mismatch", "request.branch")
    after = house.row_counts()
    assert after.pop("audit_events") == before.pop("audit_events") + 1
    assert after == before
    assert len(digest) == 64


def test_shows_a_clients_money_vault_and_addresses(house: House, call_as: As) -> None:
    house.open_client("acme", branch=7)
    house.credit("acme", BTC // 4)
    given = [call_as("exchange").post("/v1/clients/acme/addresses", {}) for _ in range(2)]
    assert [answer.status_code for answer in given] == [201, 201]
    found = call_as("auditor").get("/v1/clients/acme").json()
    assert (found["name"], found["segregation"], found["status"]) == ("Acme", "segregated", "active")
    assert found["vault"]["id"] == f"{KEYSET}/7"
    assert found["balances"][0]["available"] == {"decimal": "0.25000000", "base_units": "25000000"}
    assert found["addresses"] == [answer.json() for answer in given]
    assert len({address["address"] for address in found["addresses"]}) == 2
    assert call_as("auditor").get("/v1/clients/acme/deposits").json() == {"deposits": [], "next": None}


@pytest.mark.parametrize("path", ["", "/deposits"])
def test_knows_no_client_it_never_opened(house: House, call_as: As, path: str) -> None:
    expect_problem(call_as("auditor").get(f"/v1/clients/nobody{path}"), 404, "unknown-client")
    expect_problem(call_as("auditor").get(f"/v1/clients/%00{path}"), 422, "invalid-input", "client")
    expect_problem(call_as("exchange").post("/v1/clients/nobody/addresses"), 404, "unknown-client")


def test_asks_for_stock_when_there_is_none(house: House, call_as: As) -> None:
    house.open_client("acme", branch=7, stock=1)
    assert call_as("exchange").post("/v1/clients/acme/addresses").status_code == 201
    before = house.row_counts()["outbox"]
    answer = call_as("exchange").post("/v1/clients/acme/addresses")
    document = expect_problem(answer, 503, "address-stock-empty")
    assert (document["retryable"], answer.headers["retry-after"]) == (True, "1")
    assert house.row_counts()["outbox"] == before + 1
    house.stock(f"{KEYSET}/7", 3)
    assert call_as("exchange").post("/v1/clients/acme/addresses").status_code == 201


def test_shows_no_address_whose_seal_is_broken_and_pages(house: House, call_as: As) -> None:
    house.open_client("acme", branch=7)
    house.address("acme")
    as_superuser(house.database, "UPDATE addresses SET address = 'bcrt1qthief' WHERE index = 0 AND NOT change")
    before = house.row_counts()["alarms"]
    answer = call_as("auditor").get("/v1/clients/acme")
    expect_problem(answer, 500, "address-tampered")
    assert "thief" not in answer.text
    assert house.row_counts()["alarms"] == before + 1


def test_pages_for_a_stored_intent_that_was_altered(house: House, call_as: As) -> None:
    digest = house.request_opening(house.opening_request("acme", branch=7)).digest
    as_superuser(
        house.database,
        """UPDATE intents SET document = jsonb_set(document, '{request,name}', '"Mallory"')""",
    )
    before = house.row_counts()["alarms"]
    expect_problem(call_as("alice").get(f"/v1/intents/{digest}"), 500, "intent-tampered")
    assert house.row_counts()["alarms"] == before + 1


def test_names_the_keysets_and_the_next_free_branch(house: House, call_as: As) -> None:
    house.open_client("acme", branch=7)
    house.open_client("pond", branch=8, segregation="omnibus")
    house.request_opening(house.opening_request("later", branch=9))
    assert call_as("auditor").get("/v1/keysets").json() == {
        "keysets": [
            {
                "id": KEYSET,
                "chain": house.runtime.only.chain,
                "is_newest": True,
                "threshold": 2,
                "cosigners": ["north", "south", "east"],
                "next_branch": 10,
                "pools": [8],
            }
        ]
    }
