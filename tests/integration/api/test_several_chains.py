"""A house with two chains over HTTP: each amount in its own decimals, and bad input of either chain refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.integration.api.callers import As, Caller, expect_problem
from tests.integration.api.conftest import serving
from tests.integration.vaults.safe_keysets import ANVIL
from tests.support.servers import FreshDatabase
from tests.support.several import CONTRACT, ETHER, TOKEN, Several
from tests.support.world import REGTEST, address


@pytest.fixture
def house(database: FreshDatabase, tmp_path: Path) -> Iterator[Several]:
    house = Several.stand(database, tmp_path)
    yield house
    house.close()


@pytest.fixture
def client(house: Several, tmp_path: Path) -> Iterator[TestClient]:
    with serving(house, tmp_path) as client:
        yield client


@pytest.fixture
def call_as(client: TestClient) -> As:
    return lambda name: Caller(client, name)


def test_shows_every_asset_in_its_own_decimals(house: Several, call_as: As) -> None:
    auditor, exchange = call_as("auditor"), call_as("exchange")
    listed = auditor.get("/v1/assets").json()["assets"]
    assert [(item["code"], item["decimals"]) for item in listed] == [("BTC", 8), ("ETH", 18), ("TST", 6)]
    birch = auditor.get("/v1/clients/birch").json()
    found = {item["asset"]["code"]: item["available"]["decimal"] for item in birch["balances"]}
    assert found == {"ETH": "5.000000000000000000", "TST": "2.500000"}
    assert [vault["chain"] for vault in birch["vaults"]] == [birch["vault"]["chain"]] == [ANVIL.chain]

    paid = exchange.post("/v1/withdrawals", house.body(house.asked(asset=TOKEN.id, amount=1_500_000))).json()
    assert (paid["amount"]["decimal"], paid["asset"]["code"], paid["held"]["decimal"]) == (
        "1.500000",
        "TST",
        "1.500000",
    )
    assert (paid["max_fee"]["decimal"], paid["fee_asset"]) == ("0.010000000000000000", "ETH")
    words = auditor.get(f"/v1/intents/{paid['intent_digest']}").json()["words"]
    assert words[0].startswith("Pay 1.500000 TST to 0x")
    assert "network fee at most 0.010000000000000000 ETH" in words[2]
    every = auditor.get("/v1/withdrawals").json()["withdrawals"]
    assert [item["id"] for item in every] == [paid["id"]]


def test_hands_out_addresses_by_chain(house: Several, call_as: As) -> None:
    exchange = call_as("exchange")
    assert exchange.post("/v1/clients/acme/addresses").json()["address"].startswith("bcrt1")
    found = exchange.post("/v1/clients/birch/addresses?chain=anvil")
    assert (found.status_code, found.json()["client"]) == (201, "birch")
    assert found.json()["address"].startswith("0x")
    before = house.row_counts()
    expect_problem(exchange.post("/v1/clients/birch/addresses?chain=regtest"), 404, "unknown-vault", "client")
    expect_problem(exchange.post("/v1/clients/birch/addresses?chain=moon"), 422, "invalid-input", "chain")
    assert house.row_counts() == before


def test_says_where_each_chain_stands_while_no_node_answers(call_as: As) -> None:
    found = call_as("auditor").get("/v1/status").json()
    assert [(item["name"], item["node"]["ready"]) for item in found["chains"]] == [("regtest", False), ("anvil", False)]
    assert found["chain"] == REGTEST.chain
    assert found["books"]["balanced"]


def test_a_higher_fee_is_asked_for_in_the_chains_own_words(house: Several, call_as: As) -> None:
    asked = call_as("exchange").post("/v1/withdrawals", house.body(house.asked())).json()
    answer = call_as("alice").post(f"/v1/withdrawals/{asked['id']}/replacements", {"fee_rate_sat_vb": 5})
    expect_problem(answer, 422, "invalid-input", "body.fee_rate_gwei")


SMALL = {"amount": 10_000, "max_fee": 1_000}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a wrong checksum": ({"destination": CONTRACT.swapcase().replace("0X", "0x")}, "request.destination"),
    "not canonical": ({"destination": "0x" + "ab" * 20}, "request.destination"),
    "the zero address": ({"destination": "0x" + "00" * 20}, "request.destination"),
    "a precompiled contract": ({"destination": "0x" + "00" * 19 + "01"}, "request.destination"),
    "the token's own contract": ({"asset": TOKEN.id, "amount": 1, "destination": CONTRACT}, "request.destination"),
    "ether to a token's contract": ({"destination": CONTRACT}, "request.destination"),
    "an address of another chain": ({"destination": address("somebody")}, "request.destination"),
    "an address of this chain on another": (
        {"client": "acme", "asset": REGTEST.asset.id, "destination": CONTRACT, **SMALL},
        "request.destination",
    ),
    "an asset nobody registered": ({"asset": TOKEN.id.replace(CONTRACT, "0x" + "77" * 20)}, "request.asset"),
    "the token as another writes it": ({"asset": TOKEN.id.lower()}, "request.asset"),
    "ether of another network": ({"asset": "eip155:1/slip44:60"}, "request.asset"),
    "more than a word of token": ({"asset": TOKEN.id, "amount": 2**256}, "request.amount"),
    "more ether than there will be": ({"amount": 2**128}, "request.amount"),
    "a fee past a word": ({"max_fee": 2**256}, "request.max_fee"),
    "an asset of a chain the client is not on": ({"client": "acme"}, "client"),
}


def test_bad_input_is_refused_by_field_and_nothing_is_written(house: Several, call_as: As) -> None:
    exchange, before = call_as("exchange"), house.row_counts()
    for name, (changes, field) in WRONG.items():
        answer = exchange.post("/v1/withdrawals", house.body(house.asked(**changes)))
        found = answer.json()
        assert (answer.status_code, found["field"]) == (404 if field == "client" else 422, field), (name, found)
        assert house.row_counts() == before, name


def test_amounts_that_are_none_are_refused(house: Several, call_as: As) -> None:
    before = house.row_counts()
    for amount in ("0", "-1", "1.5", "1e18", " 1", "0x1", "１", "9" * 79, 1, None):
        body = house.body(house.asked())
        body["request"]["amount"] = amount
        expect_problem(call_as("exchange").post("/v1/withdrawals", body), 422, "invalid-input", "request.amount")
    assert house.row_counts() == before


def test_the_most_a_token_can_be_is_no_bad_input(house: Several, call_as: As) -> None:
    asked = house.asked(asset=TOKEN.id, amount=2**256 - 1)
    expect_problem(call_as("exchange").post("/v1/withdrawals", house.body(asked)), 403, "insufficient-funds")
    done = call_as("exchange").post("/v1/withdrawals", house.body(house.asked(amount=5 * ETHER)))
    assert done.status_code == 201, "the fee is not the vault's"
