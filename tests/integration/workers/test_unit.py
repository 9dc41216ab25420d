"""The two shapes of a task: done exactly with its unit, or done after an effect that may run twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from custody.audit import queries as audit
from custody.bootstrap import Runtime
from custody.db import Unit
from custody.db.unit import UnitConflict
from custody.kernel.errors import Broken, Refused, Unavailable
from custody.outbox import operations as outbox
from tests.support.servers import FreshDatabase
from tests.support.world import House
from workers import unit as shapes
from workers.routes import TOPICS


@pytest.fixture
def runtime(database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """A runtime, and a table of deliveries of the test's own."""
    house = House.found(database)
    monkeypatch.setattr(shapes, "DELIVERIES", dict(shapes.DELIVERIES))
    yield house.runtime
    house.close()


def emitted(runtime: Runtime, topic: str) -> outbox.Message:
    with runtime.database.unit() as unit:
        outbox.emit(unit.session, topic=topic, payload={"x": 1}, correlation_id="c", now=unit.now)
    with runtime.database.unit() as unit:
        (found,) = outbox.lease(unit.session, now=unit.now, length=timedelta(minutes=1), limit=10)
    return found


def handle(runtime: Runtime, message: outbox.Message, *, attempts: int = 1) -> None:
    """As the task does, in this process."""
    deliver = shapes.DELIVERIES[message.topic]
    try:
        shapes._with_retries(deliver, runtime, message.id)
    except (Refused, Unavailable, Broken, UnitConflict) as error:
        shapes._translate(runtime, message.topic, message.id, attempts, error)


def come_due(runtime: Runtime, message: outbox.Message) -> None:
    """Time passes until the message's is there."""
    with runtime.database.unit() as unit:
        unit.session.execute(text("UPDATE outbox SET due_at = now() WHERE id = :id"), {"id": message.id})


def is_waiting(runtime: Runtime, message: outbox.Message) -> bool:
    with runtime.database.unit() as unit:
        return outbox.is_waiting(unit.session, message_id=message.id)


def alarms(runtime: Runtime) -> list[str]:
    with runtime.database.unit() as unit:
        return [alarm.kind for alarm in audit.alarms(unit.session)]


def test_every_topic_has_a_task() -> None:
    import workers.tasks  # noqa: F401 - registers them

    assert set(shapes.DELIVERIES) == TOPICS


def test_a_unit_task_delivered_twice_runs_once(runtime: Runtime) -> None:
    seen: list[dict[str, Any]] = []

    @shapes.unit_task("test.once")
    def body(_unit: Unit, _runtime: Runtime, /, **payload: Any) -> None:
        seen.append(payload)

    message = emitted(runtime, "test.once")
    handle(runtime, message)
    handle(runtime, message)
    assert seen == [{"correlation_id": "c", "x": 1}]
    assert not is_waiting(runtime, message)


def test_a_unit_task_that_fails_leaves_its_message_and_no_facts(runtime: Runtime) -> None:
    @shapes.unit_task("test.fails")
    def body(unit: Unit, _runtime: Runtime, /, **_: Any) -> None:
        outbox.emit(unit.session, topic="test.never", payload={}, correlation_id="c", now=unit.now)
        unit.session.flush()
        raise Unavailable("nobody is there")

    message = emitted(runtime, "test.fails")
    handle(runtime, message)
    assert is_waiting(runtime, message)
    with runtime.database.unit() as unit:
        later = unit.now + timedelta(hours=1)
        topics = [item.topic for item in outbox.lease(unit.session, now=later, length=timedelta(1), limit=10)]
    assert topics == ["test.fails"]


def test_an_effect_that_ran_but_was_not_marked_runs_again(runtime: Runtime) -> None:
    runs: list[int] = []

    @shapes.effect_task("test.effect")
    def body(_runtime: Runtime, /, **_: Any) -> None:
        runs.append(1)
        if len(runs) == 1:
            raise Unavailable("the answer was lost")

    message = emitted(runtime, "test.effect")
    handle(runtime, message)
    handle(runtime, message)
    assert len(runs) == 1, "who rings before its time is not heard"
    for _ in range(2):
        come_due(runtime, message)
        handle(runtime, message)
    assert len(runs) == 2


def test_two_units_that_met_are_run_again_at_once(runtime: Runtime) -> None:
    runs: list[int] = []

    @shapes.unit_task("test.conflict")
    def body(_unit: Unit, _runtime: Runtime, /, **_: Any) -> None:
        runs.append(1)
        if len(runs) < 3:
            raise UnitConflict("two units met")

    message = emitted(runtime, "test.conflict")
    handle(runtime, message)
    assert len(runs) == 3
    assert not is_waiting(runtime, message)


@pytest.mark.parametrize(("error", "paged"), [(Refused("no"), []), (Broken("false"), ["broken"])])
def test_what_is_refused_is_over_and_what_is_broken_pages(
    runtime: Runtime, error: Refused | Broken, paged: list[str]
) -> None:
    @shapes.unit_task("test.over")
    def body(_unit: Unit, _runtime: Runtime, /, **_: Any) -> None:
        raise error

    message = emitted(runtime, "test.over")
    handle(runtime, message)
    assert not is_waiting(runtime, message)
    assert alarms(runtime) == paged


def test_what_keeps_failing_raises_one_alarm_and_waits_longer(runtime: Runtime) -> None:
    @shapes.effect_task("test.silent")
    def body(_runtime: Runtime, /, **_: Any) -> None:
        raise Unavailable("silent")

    message = emitted(runtime, "test.silent")
    handle(runtime, message, attempts=shapes.ALARM_AFTER - 1)
    assert alarms(runtime) == []
    for attempts in (shapes.ALARM_AFTER, shapes.ALARM_AFTER + 1):
        come_due(runtime, message)
        handle(runtime, message, attempts=attempts)
    assert alarms(runtime) == ["task-keeps-failing"]
    assert is_waiting(runtime, message)
