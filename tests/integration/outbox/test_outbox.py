"""Outbox rows: written with the facts, leased by one relay at a time, done once, waited for in Postgres."""

from __future__ import annotations

import itertools
import threading
from datetime import datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text

from custody.db import Database
from custody.outbox import operations as outbox
from tests.support.servers import FreshDatabase

MINUTE = timedelta(minutes=1)


@pytest.fixture
def db(database: FreshDatabase) -> Database:
    """An empty database."""
    return database.db


def emit(db: Database, *names: str, delay: timedelta = timedelta(0)) -> datetime:
    with db.unit() as unit:
        for name in names:
            outbox.emit(unit.session, topic="t", payload={"name": name}, correlation_id="c", now=unit.now, delay=delay)
        return unit.now


def lease(db: Database, now: datetime, *, limit: int = 100) -> list[outbox.Message]:
    with db.unit() as unit:
        return outbox.lease(unit.session, now=now, length=MINUTE, limit=limit)


def names(messages: list[outbox.Message]) -> list[str]:
    return [str(message.payload["name"]) for message in messages]


def test_a_row_is_written_with_its_facts_or_not_at_all(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), db.unit() as unit:
        outbox.emit(unit.session, topic="t", payload={}, correlation_id="c", now=unit.now)
        raise ZeroDivisionError
    assert lease(db, emit(db) + MINUTE) == []


def test_the_oldest_is_leased_first_and_by_one_holder_at_a_time(db: Database) -> None:
    now = emit(db, "a", "b", "c")
    assert names(lease(db, now, limit=2)) == ["a", "b"]
    assert names(lease(db, now)) == ["c"]
    assert lease(db, now) == []


def test_who_rings_early_ends_no_delay(db: Database) -> None:
    """A broker in other hands names a row that waits: nothing comes of it, and the row is there when it is due."""
    now = emit(db, "a", delay=MINUTE)
    with db.unit() as unit:
        row = unit.session.execute(text("SELECT id FROM outbox")).scalar_one()
        assert outbox.claim(unit.session, message_id=row, topic="t", now=unit.now) is None
        assert outbox.claim(unit.session, message_id=row, topic="t", now=now + MINUTE) is not None
    assert names(lease(db, now + MINUTE)) == ["a"]
    with db.unit() as unit:
        assert outbox.claim(unit.session, message_id=row, topic="t", now=unit.now) is not None


def test_a_lease_that_ran_out_is_leased_again_and_counted(db: Database) -> None:
    now = emit(db, "a")
    assert [message.attempts for message in lease(db, now)] == [1]
    assert lease(db, now + MINUTE - timedelta(seconds=1)) == []
    assert [message.attempts for message in lease(db, now + MINUTE)] == [2]


def test_what_is_delayed_waits_for_its_time(db: Database) -> None:
    now = emit(db, "later", delay=MINUTE)
    assert lease(db, now) == []
    assert names(lease(db, now + MINUTE)) == ["later"]


def test_what_is_done_is_never_leased_again(db: Database) -> None:
    now = emit(db, "a")
    (message,) = lease(db, now)
    with db.unit() as unit:
        assert outbox.is_waiting(unit.session, message_id=message.id)
        outbox.finish(unit.session, message_id=message.id, now=now)
    with db.unit() as unit:
        assert not outbox.is_waiting(unit.session, message_id=message.id)
        outbox.postpone(unit.session, message_id=message.id, until=now, why="too late")
    assert lease(db, now + 10 * MINUTE) == []


def test_what_is_postponed_comes_back_at_its_time(db: Database) -> None:
    now = emit(db, "a")
    (message,) = lease(db, now)
    with db.unit() as unit:
        outbox.postpone(unit.session, message_id=message.id, until=now + 5 * MINUTE, why="node is silent")
    assert lease(db, now + 2 * MINUTE) == []
    assert names(lease(db, now + 5 * MINUTE)) == ["a"]


def test_only_finished_rows_are_forgotten(db: Database) -> None:
    now = emit(db, "done", "waiting")
    done, _ = lease(db, now)
    with db.unit() as unit:
        outbox.finish(unit.session, message_id=done.id, now=now)
    with db.unit() as unit:
        assert outbox.prune(unit.session, before=now) == 0
        assert outbox.prune(unit.session, before=now + MINUTE) == 1
    assert names(lease(db, now + MINUTE)) == ["waiting"]


def test_many_relays_share_the_rows_without_taking_one_twice(db: Database) -> None:
    now = emit(db, *(str(number) for number in range(60)))
    taken: list[list[str]] = [[] for _ in range(4)]
    barrier = threading.Barrier(4)

    def relay(mine: list[str]) -> None:
        barrier.wait()
        while messages := lease(db, now, limit=5):
            mine.extend(names(messages))

    relays = [threading.Thread(target=relay, args=(mine,)) for mine in taken]
    for one in relays:
        one.start()
    for one in relays:
        one.join()
    assert sorted(itertools.chain(*taken), key=int) == [str(number) for number in range(60)]


def test_two_deliveries_of_one_message_run_one_after_the_other(db: Database) -> None:
    (message,) = lease(db, emit(db, "a"))
    inside, answers = threading.Event(), []

    def second() -> None:
        inside.wait(10)
        with db.unit() as unit:
            answers.append(outbox.is_waiting(unit.session, message_id=message.id))

    other = threading.Thread(target=second)
    other.start()
    with db.unit() as unit:
        assert outbox.is_waiting(unit.session, message_id=message.id)
        inside.set()
        other.join(0.2)
        assert answers == []
        outbox.finish(unit.session, message_id=message.id, now=unit.now)
    other.join(10)
    assert answers == [False]


def test_a_commit_rings(database: FreshDatabase, db: Database) -> None:
    url = database.app_url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(url, autocommit=True) as listening:
        listening.execute(f"LISTEN {outbox.CHANNEL}")
        emit(db, "a")
        assert [ring.channel for ring in listening.notifies(timeout=10, stop_after=1)] == [outbox.CHANNEL]
