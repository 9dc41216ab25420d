"""A message that can never be handled costs little, is told to a person, and holds nobody up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import text

from custody.outbox import operations as outbox
from tests.crash.live import Live
from tests.crash.roads import DEPOSIT_DEPTH, Journey
from workers import unit as shapes

POISON = "movements.advanced"
CORRELATION = "poison"
SLACK = timedelta(seconds=5)


@pytest.fixture
def poisoned(live: Live) -> Iterator[int]:
    """A house in which one message lacks what its task needs."""
    with live.house.db.unit() as unit:
        outbox.emit(unit.session, topic=POISON, payload={}, correlation_id=CORRELATION, now=unit.now)
    yield _row(live)[0]


def test_waits_longer_each_time_and_raises_one_alarm(
    live: Live, poisoned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _task_that_fails(live, monkeypatch)
    waits: list[timedelta] = []
    while "task-keeps-failing" not in live.alarms():
        assert len(waits) < 30, "no alarm"
        waits.append(_deliver_when_due(live, run))
    assert len(waits) == shapes.ALARM_AFTER
    assert all(later > earlier - SLACK for earlier, later in pairwise(waits))
    assert timedelta(milliseconds=200) < waits[0] < timedelta(seconds=20)
    assert timedelta(seconds=50) < waits[-1] < timedelta(seconds=90)
    _deliver_when_due(live, run)
    with live.house.db.unit() as unit:
        assert unit.session.execute(text("SELECT count(*) FROM alarms")).scalar_one() == 1


def test_does_not_hold_up_other_messages(live: Live, poisoned: int) -> None:
    journey = Journey(live)
    address = live.house.open_client("acme", branch=7) and live.house.address("acme").address
    journey.deposit(address, blocks=0)
    live.launch()
    live.chain.mine(journey.deposited)
    for _ in range(DEPOSIT_DEPTH - 1):
        live.chain.mine()
    journey.until_credited()
    live.until(lambda: _row(live)[1] >= 2, "the poison tried again")
    attempts, failed = _row(live)[1:3]
    assert attempts < shapes.ALARM_AFTER, "a hot loop"
    assert failed == "TypeError"


def _task_that_fails(live: Live, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The task as the worker runs it, without a Celery application around it."""

    class Bare:
        def task(self, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
            return lambda run: run

    def body(*_: object, chain: str, **__: object) -> None:
        raise AssertionError("the message lacks a chain, so this is never reached")

    monkeypatch.setattr(shapes, "app", Bare())
    monkeypatch.setattr(shapes, "runtime", lambda: live.house.runtime)
    monkeypatch.setitem(shapes.DELIVERIES, POISON, shapes.DELIVERIES[POISON])
    run: Callable[..., None] = shapes.unit_task(POISON)(body)
    return run


def _deliver_when_due(live: Live, run: Callable[..., None]) -> timedelta:
    """Publish the poison at the moment it is due, as the relay would; returns how long it was postponed."""
    due: datetime = _row(live)[3]
    with live.house.db.unit() as unit:
        leased = outbox.lease(unit.session, now=max(due, unit.now), length=timedelta(seconds=5), limit=50)
        began = unit.now
    message = next(found for found in leased if found.correlation_id == CORRELATION)
    run(
        message_id=message.id,
        correlation_id=message.correlation_id,
        attempts=message.attempts,
        payload=dict(message.payload),
    )
    after: datetime = _row(live)[3]
    return after - began


def _row(live: Live) -> tuple[int, int, str | None, datetime]:
    with live.house.db.unit() as unit:
        query = text("SELECT id, attempts, failed, due_at FROM outbox WHERE correlation_id = :name")
        row = unit.session.execute(query, {"name": CORRELATION}).one()
    return row.id, row.attempts, row.failed, row.due_at
