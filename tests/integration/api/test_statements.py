"""Signed prices and screenings by the API: kept once, proved first, and nothing of what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.evidence.statements import SignedStatement
from tests.cosigner.builders import World
from tests.integration.api.callers import As, Caller, expect_problem
from tests.integration.api.conftest import serving
from tests.support.servers import FreshDatabase
from tests.support.sources import PRICE_SOURCES, SCREENER, price, prices, screening, sources
from tests.support.world import REGTEST, House, address

BTC = REGTEST.asset.id


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = House.found(database, ceremony=World(services=sources()))
    yield house
    house.close()


@pytest.fixture
def call_as(house: House, tmp_path: Path) -> Iterator[As]:
    with serving(house, tmp_path) as client:
        yield lambda name: Caller(client, name)


def post(call_as: As, signed: SignedStatement | dict[str, Any]) -> Any:
    body = signed if isinstance(signed, dict) else signed.to_json()
    return call_as("ticker").post("/v1/statements", body)


def shown(call_as: As) -> dict[str, Any]:
    (found,) = call_as("auditor").get("/v1/prices").json()["prices"]
    return dict(found)


def test_prices_come_in_once_and_amount_to_a_median(house: House, call_as: As) -> None:
    assert shown(call_as)["state"] == "missing"
    for signed in prices(BTC, 60_000, house.now()):
        assert post(call_as, signed).status_code == 201
        assert post(call_as, signed).status_code == 200
    found = shown(call_as)
    assert (found["state"], found["usd_micros"], found["sources"]) == ("fresh", "60000000000", list(PRICE_SOURCES))
    assert house.row_counts()["price_marks"] == 3


def test_a_source_far_from_the_others_is_named_and_raises_one_alarm(house: House, call_as: As) -> None:
    now = house.now()
    for by, usd in zip(PRICE_SOURCES, (60_000, 600_000, 60_100), strict=True):
        post(call_as, price(BTC, usd, now, by=by))
    post(call_as, price(BTC, 600_001, now + timedelta(seconds=1), by=PRICE_SOURCES[1]))
    found = shown(call_as)
    assert (found["state"], found["usd_micros"], found["apart"]) == ("disputed", "60100000000", [PRICE_SOURCES[1]])
    assert house.row_counts()["alarms"] == 1


def test_screenings_come_in_once(house: House, call_as: As) -> None:
    signed = screening(REGTEST.chain, address("somebody"), "clear", house.now())
    assert [post(call_as, signed).status_code for _ in range(2)] == [201, 200]
    assert house.row_counts()["screenings"] == 1


def test_refuses_what_is_not_proved_or_not_of_now_and_writes_nothing(house: House, call_as: As) -> None:
    now, to = house.now(), address("somebody")
    before = house.row_counts()
    good = price(BTC, 60_000, now).to_json()
    upper = to.upper()
    asked: list[tuple[SignedStatement | dict[str, Any], int, str, str | None]] = [
        (price(BTC, 1, now, by="stranger"), 403, "statement-refused", "statement.signature.key"),
        (price(BTC, 1, now, by=SCREENER), 403, "statement-refused", "statement.signature.key"),
        (screening(REGTEST.chain, to, "clear", now, by=PRICE_SOURCES[0]), 403, "statement-refused", None),
        (price(BTC, 1, now, key="ticker-2"), 403, "statement-refused", "statement.signature.signature"),
        ({**good, "statement": {**good["statement"], "usd_picos": "1"}}, 403, "statement-refused", None),
        ({**good, "service": PRICE_SOURCES[1]}, 403, "statement-refused", "statement.signature.key"),
        (price(BTC, 1, now + timedelta(hours=1)), 422, "invalid-input", "statement.at"),
        (price("bip122:0/slip44:9", 1, now), 422, "invalid-input", "statement.asset"),
        (screening(REGTEST.chain, upper, "clear", now), 422, "invalid-input", "statement.destination"),
        (screening("eip155:5", to, "clear", now), 422, "invalid-input", None),
        ({**good, "statement": {**good["statement"], "usd_picos": "0"}}, 422, "invalid-input", None),
        ({**good, "statement": {**good["statement"], "usd_picos": "-1"}}, 422, "invalid-input", None),
        ({**good, "statement": {**good["statement"], "kind": "rumour"}}, 422, "invalid-input", None),
        ({"statement": good["statement"]}, 422, "invalid-input", "body.service"),
    ]
    for body, status, code, field in asked:
        document = expect_problem(post(call_as, body), status, code, field)
        assert document["field"]
    assert house.row_counts() == before


def test_only_a_service_may_state_and_it_may_not_read(house: House, call_as: As) -> None:
    body = price(BTC, 1, house.now()).to_json()
    for name in ("exchange", "alice", "north", "auditor"):
        expect_problem(call_as(name).post("/v1/statements", body), 403, "role-refused")
    for path in ("/v1/prices", "/v1/clients", "/v1/withdrawals", "/v1/intents", "/v1/status"):
        expect_problem(call_as("ticker").get(path), 403, "role-refused")


def test_a_mark_changed_in_the_database_no_longer_counts(house: House, call_as: As) -> None:
    from sqlalchemy import text

    from custody.db import Database

    for signed in prices(BTC, 60_000, house.now()):
        post(call_as, signed)
    owner = Database(house.database.superuser_url)
    with owner.unit() as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        change = "UPDATE price_marks SET document = jsonb_set(document, '{statement,usd_picos}', '\"1\"')"
        unit.session.execute(text(change + " WHERE service = 'ticker-1'"))
    owner.dispose()
    assert shown(call_as)["state"] == "missing"
