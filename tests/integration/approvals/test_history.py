"""What was asked for, replayed under another document, read from the database one row after the other."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from custody.approvals import history
from custody.reports.simulation import simulated
from policies.document import load_document
from policies.simulation import Replayed
from tests.cosigner.builders import BTC
from tests.integration.approvals.test_approvals import give
from tests.support.servers import FreshDatabase
from tests.support.world import House

STRICT = """
policy: strict
version: 1
groups: {operators: [alice, bob, carol]}
rules:
  - permit: little
    match: {kind: withdrawal, destination: [listed, new]}
    limit: {per: client, window: 24h, amount: "0.3 BTC"}
  - require: three
    match: {kind: withdrawal}
    approvals: {operators: 3}
    delay: 1h
"""


@pytest.fixture
def house(database: FreshDatabase) -> Any:
    world = House.found(database)
    world.open_client("acme", branch=1)
    world.credit("acme", 10 * BTC)
    yield world
    world.expect_ledger()
    world.close()


def as_it_is(requests: Iterable[Replayed], _number: int) -> Iterable[Replayed]:
    return requests


def test_a_stricter_document_is_replayed_over_what_was_really_asked(house: House) -> None:
    first = house.withdraw(house.withdrawal_request("acme", BTC // 10))
    give(house, first.digest, house.approval("alice", first.digest, verdict="reject"))
    others = [house.withdraw(house.withdrawal_request("acme", BTC // 10)) for _ in range(4)]
    shown: list[int] = []

    def counted(requests: Iterable[Replayed], number: int) -> Iterable[Replayed]:
        shown.append(number)
        return requests

    with house.db.unit() as unit:
        now, session = unit.now, unit.session
        day = timedelta(days=1)
        found = simulated(session, load_document(STRICT), since=now - day, until=now + day, shown=counted)
        stored = list(history.decided(session, since=now - day, until=now + day))
        none = simulated(session, load_document(STRICT), since=now + day, until=now + 2 * day, shown=as_it_is)
    withdrawals = [one for one in stored if one.facts.kind == "withdrawal"]
    assert [one.reference for one in withdrawals] == [first.digest, *(other.digest for other in others)]
    assert [one.released for one in withdrawals] == [True, False, False, False, False]
    assert shown == [len(stored)]
    assert found.requests == len(stored)
    assert found.kinds["withdrawal", "slower"] == 4  # the rejected one gave its share back
    assert found.kinds["withdrawal", "more people"] == 4
    assert found.kinds["withdrawal", "denied"] == 1
    assert found.examples["denied"][-1] == others[-1].digest
    assert found.work_after["operators"] == 4 * 3
    # Twelve approvals by three people in two days.
    assert found.hourly["operators"][1] == "0.09"
    assert found.to_json()["work"][0]["after_per_operator_hour"] == "0.09"
    assert none.requests == 0


def test_rows_come_through_a_cursor_of_the_server(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "ROWS_AT_ONCE", 2)
    for _ in range(5):
        house.withdraw(house.withdrawal_request("acme", BTC // 100))
    cursors: list[str] = []
    with house.db.unit() as unit:
        session, now = unit.session, unit.now
        engine = session.get_bind()

        def look(_connection: Any, cursor: Any, *_rest: Any) -> None:
            cursors.append(type(cursor).__name__)

        event.listen(engine, "after_cursor_execute", look)
        stored = list(history.decided(session, since=now - timedelta(days=1), until=now + timedelta(days=1)))
        event.remove(engine, "after_cursor_execute", look)
    assert len(stored) >= 5
    assert cursors == ["ServerCursor"]
