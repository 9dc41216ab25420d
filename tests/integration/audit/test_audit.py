"""The audit chain: gapless under concurrency, closed to the application, and a superuser's edit is found (P-118)."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from custody.audit import operations as audit
from custody.audit import queries
from custody.db import Database
from tests.support.servers import FreshDatabase


def record(db: Database, *events: str) -> None:
    with db.unit() as unit:
        for event in events:
            audit.record(unit.session, event=event, subject="s", actor="test", now=unit.now, facts={"n": 1})


def first_bad(db: Database) -> int | None:
    with db.unit() as unit:
        return queries.first_bad_record(unit.session)


def as_superuser(database: FreshDatabase, *statements: str) -> None:
    engine = create_engine(database.superuser_url)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        (("UPDATE audit_events SET actor = 'nobody' WHERE sequence = 3",), 3),
        (("UPDATE audit_events SET facts = '{}' WHERE sequence = 1",), 1),
        (("UPDATE audit_events SET at = at + interval '1 second' WHERE sequence = 5",), 5),
        (("UPDATE audit_events SET hash = repeat('0', 64) WHERE sequence = 2",), 2),
        (("DELETE FROM audit_events WHERE sequence = 1",), 1),
        (("DELETE FROM audit_events WHERE sequence = 4",), 4),
        (
            (
                "UPDATE audit_events SET sequence = 99 WHERE sequence = 2",
                "UPDATE audit_events SET sequence = 2 WHERE sequence = 3",
                "UPDATE audit_events SET sequence = 3 WHERE sequence = 99",
            ),
            2,
        ),
    ],
    ids=["actor", "facts", "time", "hash", "first-deleted", "deleted", "reordered"],
)
def test_p118_names_the_first_bad_record(database: FreshDatabase, tampering: tuple[str, ...], found: int) -> None:
    record(database.db, *(f"e{number}" for number in range(6)))
    assert first_bad(database.db) is None
    as_superuser(database, *tampering)
    assert first_bad(database.db) == found


def test_a_head_noted_elsewhere_shows_that_the_end_was_cut_off(database: FreshDatabase) -> None:
    record(database.db, "a", "b", "c")
    with database.db.unit() as unit:
        anchored = queries.head(unit.session)
    as_superuser(database, "DELETE FROM audit_events WHERE sequence = 3")
    assert first_bad(database.db) is None
    with database.db.unit() as unit:
        assert queries.head(unit.session).sequence < anchored.sequence


@pytest.mark.parametrize(
    "forbidden", ["UPDATE audit_events SET actor = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"]
)
def test_the_application_cannot_change_what_was_recorded(database: FreshDatabase, forbidden: str) -> None:
    record(database.db, "a")
    with pytest.raises(DBAPIError), database.db.unit() as unit:
        unit.session.execute(text(forbidden))
    assert first_bad(database.db) is None


def test_units_that_run_side_by_side_make_one_chain_without_gaps(database: FreshDatabase) -> None:
    def many() -> None:
        for number in range(10):
            record(database.db, f"e{number}", f"f{number}")

    writers = [threading.Thread(target=many) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert first_bad(database.db) is None
    with database.db.unit() as unit:
        assert queries.head(unit.session).sequence == 80


def test_what_was_rolled_back_leaves_no_gap(database: FreshDatabase) -> None:
    record(database.db, "a")
    with pytest.raises(ZeroDivisionError), database.db.unit() as unit:
        audit.record(unit.session, event="lost", subject="s", actor="test", now=unit.now)
        raise ZeroDivisionError
    record(database.db, "b")
    assert first_bad(database.db) is None
    with database.db.unit() as unit:
        assert queries.head(unit.session).sequence == 2


def test_an_alarm_is_raised_once_whoever_raises_it_how_often(database: FreshDatabase) -> None:
    new: list[bool] = []

    def raise_it() -> None:
        for _ in range(5):
            with database.db.unit() as unit:
                new.append(audit.raise_alarm(unit.session, kind="k", subject="s", why="w", now=unit.now, step="1"))

    raisers = [threading.Thread(target=raise_it) for _ in range(4)]
    for raiser in raisers:
        raiser.start()
    for raiser in raisers:
        raiser.join()
    assert sorted(new) == [False] * 19 + [True]
    with database.db.unit() as unit:
        assert audit.raise_alarm(unit.session, kind="k", subject="s", why="w", now=unit.now, step="2")
        assert len(queries.alarms(unit.session)) == 2
