"""Destinations the API must refuse by name, and taproot, which it must take. Nothing is written for a refused one."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from custody.chains.bitcoin.offline.address import address_of
from custody.chains.bitcoin.offline.network import network
from tests.integration.api.callers import As, Caller, expect_problem
from tests.integration.api.conftest import serving
from tests.support.servers import Servers
from tests.support.world import BTC, REGTEST, House, address

GOOD = address("somebody")
MAINNET = network("mainnet")
P2WPKH, P2WSH = b"\x00\x14" + b"\x07" * 20, b"\x00\x20" + b"\x07" * 32
P2PKH = b"\x76\xa9\x14" + b"\x07" * 20 + b"\x88\xac"
TAPROOT = bytes.fromhex("512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")


@pytest.fixture(scope="module")
def house(servers: Servers) -> Iterator[House]:
    """One for the whole module: what is refused leaves nothing behind, and each test sees to that."""
    database = servers.fresh_database()
    house = House.found(database)
    house.open_client("acme", branch=7)
    house.credit("acme", BTC)
    yield house
    house.expect_ledger()
    house.close()
    servers.drop(database)


@pytest.fixture(scope="module")
def call_as(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[As]:
    with serving(house, tmp_path_factory.mktemp("api")) as client:
        yield lambda name: Caller(client, name)


@pytest.mark.parametrize(
    "destination",
    [
        address_of(P2WPKH, MAINNET),
        address_of(P2PKH, MAINNET),
        address_of(TAPROOT, MAINNET),
        address_of(P2WPKH, network("signet")),
        GOOD[:10] + GOOD[10:].upper(),
        GOOD.upper(),
        GOOD[:-1],
        GOOD[:-1] + ("q" if GOOD[-1] != "q" else "p"),
        GOOD + "q",
        GOOD + "q" * 150,
        GOOD * 100,
        f" {GOOD}",
        f"{GOOD}\n",
        f"{GOOD}\x00",
        f"bitcoin:{GOOD}",
        GOOD.replace("b", "\u0432", 1),
        "",
        "somebody",
        None,
        1,
        [GOOD],
    ],
    ids=lambda destination: repr(destination)[:30],
)
def test_refuses_a_destination_that_is_none_here(house: House, call_as: As, destination: object) -> None:
    before = house.row_counts()
    body = house.body(house.withdrawal_request("acme", 2_000_000))
    if isinstance(destination, str):
        body = house.body(house.withdrawal_request("acme", 2_000_000, destination=destination))
    body["request"]["destination"] = destination
    answer = call_as("exchange").post("/v1/withdrawals", body)
    expect_problem(answer, 422, answer.json()["code"], "request.destination")
    assert house.row_counts() == before


@pytest.mark.parametrize("script", [P2WPKH, P2WSH, P2PKH, TAPROOT], ids=["p2wpkh", "p2wsh", "p2pkh", "taproot"])
def test_takes_every_kind_there_is_on_this_network(house: House, call_as: As, script: bytes) -> None:
    destination = address_of(script, REGTEST)
    request = house.withdrawal_request("acme", 2_000_000, destination=destination)
    answer = call_as("exchange").post("/v1/withdrawals", house.body(request))
    assert (answer.status_code, answer.json()["destination"]) == (201, destination)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client", "nobody/at/all\u0000"),
        ("asset", "BTC"),
        ("asset", f"{MAINNET.chain}/slip44:0"),
        ("purpose", "a" * 201),
        ("purpose", "line\nbreak"),
        ("purpose", "\ud800"),
        ("not_after", "2030-01-01"),
        ("not_after", "2030-01-01T00:00:00+00:00"),
        ("idempotency_key", ""),
        ("idempotency_key", "a" * 129),
        ("format", 2),
        ("kind", "client_opening"),
        ("surprise", 1),
    ],
)
def test_refuses_every_other_field_that_is_not_what_it_takes(
    house: House, call_as: As, field: str, value: object
) -> None:
    before = house.row_counts()
    body = house.body(house.withdrawal_request("acme", 2_000_000))
    if field == "asset":
        body = house.body(house.withdrawal_request("acme", 2_000_000, asset=str(value)))
    body["request"][field] = value
    answer = call_as("exchange").send("POST", "/v1/withdrawals", content=json.dumps(body).encode())
    document = expect_problem(answer, 422, "invalid-input")
    assert document["field"] == f"request.{field}"
    assert house.row_counts() == before
