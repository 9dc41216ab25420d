"""What counts, from when, until when: in parallel, for every kind, through every way a request may end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from custody.approvals import operations as approvals
from custody.approvals import queries as intents
from custody.kernel.errors import CustodyError
from custody.openings.operations import OpeningDenied
from custody.withdrawals import operations as withdrawals
from custody.withdrawals.operations.moving import locked, move
from custody.withdrawals.states import Event
from tests.cosigner.builders import BTC, World
from tests.integration.ledger.books import at_once
from tests.support.servers import FreshDatabase
from tests.support.world import House

POLICY = """policy: counted
version: 1
groups: {operators: [alice, bob, carol]}
client_groups: {crowd: [c0, c1, c2, c3, c4, c5, c6, c7]}
rules:
  - permit: three a day
    match: {kind: withdrawal, client: acme}
    limit: {per: client, window: 24h, count: 3}
  - permit: three of the crowd a day
    match: {kind: withdrawal, client.group: crowd}
    limit: {per: everyone, window: 24h, count: 3}
  - require: two above half a bitcoin
    match: {kind: withdrawal, amount: {above: "0.5 BTC"}}
    approvals: {operators: 2}
  - permit: two clients an hour
    match: {kind: client_opening}
    limit: {per: requester, window: 1h, count: 9}
  - require: an operator opens a client
    match: {kind: client_opening}
    approvals: {operators: 1}
"""


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = House.found(database, ceremony=World(policy=POLICY))
    house.open_client("acme", branch=1)
    house.credit("acme", 50 * BTC)
    yield house
    house.close()


def ask(house: House, units: int = BTC // 10, client: str = "acme") -> Any:
    return house.withdraw(house.withdrawal_request(client, units))


def counted(house: House) -> int:
    """How many requests of the client a further one sees, which is then taken back."""
    probe = ask(house)
    with house.db.unit() as unit:
        (read,) = intents.get(unit.session, digest=probe.digest).decision.usage
        if probe.state != "denied":
            withdrawals.cancel(unit.session, withdrawal=probe.id, actor="alice", now=unit.now)
    assert read.count is not None
    return read.count


def test_parallel_requests_do_not_share_one_allowance(house: House) -> None:
    for number in range(8):
        house.open_client(f"c{number}", branch=10 + number, stock=0)
        house.credit(f"c{number}", BTC)
    acts: list[Callable[[], object]] = [partial(ask, house, client=f"c{number}") for number in range(8)]
    states = [str(getattr(result, "state", result)) for result in at_once(acts)]
    assert sorted(states) == ["approved"] * 3 + ["denied"] * 5


def test_every_way_to_end_unpaid_gives_its_share_back_and_a_reorg_takes_it_again(house: House) -> None:
    first = ask(house)
    assert counted(house) == 1
    with house.db.unit() as unit:
        row = locked(unit.session, withdrawal=first.id)
        move(unit.session, row, event=Event.FAIL, actor="test", now=unit.now)
    assert counted(house) == 0
    with house.db.unit() as unit:
        row = locked(unit.session, withdrawal=first.id)
        row.hold_id = None
        move(unit.session, row, event=Event.REORGANISE, actor="test", now=unit.now)
    assert counted(house) == 1, "what had failed is on its way again"

    large = ask(house, BTC)
    assert counted(house) == 2
    house.approve(large.digest, "alice", verdict="reject")
    assert counted(house) == 1
    assert ask(house, BTC).state == "pending_approval"
    late = house.now() + timedelta(days=3)
    with house.db.unit() as unit:
        withdrawals.expire_overdue(unit.session, now=late)
    assert counted(house) == 1


def test_what_is_done_counts_from_when_it_was_done(house: House) -> None:
    done = ask(house)
    now = house.now()
    road = (Event.COMPOSE, Event.SIGN, Event.SEND, Event.CONFIRM, Event.COMPLETE)
    for ago, expected in ((timedelta(hours=23), 1), (timedelta(hours=25), 0)):
        with house.db.unit() as unit:
            row = locked(unit.session, withdrawal=done.id)
            for event in road:
                move(unit.session, row, event=event, actor="test", now=now - ago)
        assert counted(house) == expected
        road = (Event.REORGANISE, Event.CONFIRM, Event.COMPLETE)


def test_limits_count_kinds_that_move_nothing(house: House) -> None:
    for number in range(7):
        house.open_client(f"c{number}", branch=10 + number, stock=0)
    birch = house.request_opening(house.opening_request("birch", branch=2))
    before = house.row_counts()
    with pytest.raises(OpeningDenied):
        house.request_opening(house.opening_request("cedar", branch=3))
    assert house.row_counts() == before
    with house.db.unit() as unit:
        approvals.close(unit.session, digest=birch.digest, state="withdrawn", actor="alice", now=unit.now)
    assert house.request_opening(house.opening_request("dune", branch=4)).state == "pending"


def test_the_application_may_not_rewrite_what_was_admitted(house: House) -> None:
    ask(house)
    for change in ("UPDATE admissions SET units = 1", "UPDATE admissions SET facts = '{}'", "DELETE FROM admissions"):
        with pytest.raises((DBAPIError, CustodyError)), house.db.unit() as unit:
            unit.session.execute(text(change))
