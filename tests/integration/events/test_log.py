"""The log of events: gapless in the order of commits, a version for each change, closed to the application."""

from __future__ import annotations

import threading
from datetime import datetime

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.db import Database
from custody.events import operations as events
from custody.events import queries
from custody.events.model import Event, expect_type
from custody.kernel.canonical import canonical_json
from custody.kernel.errors import InvalidInput
from tests.support.servers import FreshDatabase


def tell(session: Session, subject: str, now: datetime, *, event: str = "changed", client: str | None = None) -> None:
    events.publish(
        session,
        kind="thing",
        subject=subject,
        event=event,
        data={"id": subject},
        client=client,
        actor="test",
        correlation_id="c",
        now=now,
    )


def told(db: Database, *, cursor: int = 0, limit: int = 1_000, **only: object) -> list[Event]:
    with db.unit() as unit:
        return list(queries.after(unit.session, cursor=cursor, limit=limit, **only).events)  # type: ignore[arg-type]


def test_versions_of_each_object_follow_each_other_in_one_gapless_order(database: FreshDatabase) -> None:
    with database.db.unit() as unit:
        for subject in ("a", "b", "a"):
            tell(unit.session, subject, unit.now)
    with database.db.unit() as unit:
        tell(unit.session, "a", unit.now)
    seen = [(event.sequence, event.subject, event.version) for event in told(database.db)]
    assert seen == [(1, "a", 1), (2, "b", 1), (3, "a", 2), (4, "a", 3)]
    assert [event.to_json()["object"]["previous_version"] for event in told(database.db)] == [None, None, 1, 2]


def test_who_follows_the_cursor_beside_many_writers_misses_nothing_and_hears_nothing_twice(
    database: FreshDatabase,
) -> None:
    """Some record in the audit log too, in either order: two units never wait for each other in a circle."""
    done = threading.Event()

    def write(number: int) -> None:
        for turn in range(15):
            with database.db.unit() as unit:
                if (number + turn) % 4 == 1:
                    audit.record(unit.session, event="e", subject="s", actor="test", now=unit.now)
                tell(unit.session, f"s{turn % 3}", unit.now)
                if (number + turn) % 4 == 3:
                    audit.record(unit.session, event="e", subject="s", actor="test", now=unit.now)

    def follow() -> None:
        cursor, last = 0, False
        while True:
            last = done.is_set()
            with database.db.unit() as unit:
                page = queries.after(unit.session, cursor=cursor, limit=7)
            heard.extend(page.events)
            cursor = page.cursor
            if last and not page.events:
                return

    heard: list[Event] = []
    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    follower = threading.Thread(target=follow)
    for thread in (*writers, follower):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    follower.join()
    assert [event.sequence for event in heard] == list(range(1, 61))
    for subject in ("s0", "s1", "s2"):
        versions = [event.version for event in heard if event.subject == subject]
        assert versions == list(range(1, len(versions) + 1))


def test_what_was_rolled_back_was_never_told(database: FreshDatabase) -> None:
    with pytest.raises(ZeroDivisionError), database.db.unit() as unit:
        tell(unit.session, "lost", unit.now)
        raise ZeroDivisionError
    with database.db.unit() as unit:
        with pytest.raises(ZeroDivisionError), unit.session.begin_nested():
            tell(unit.session, "lost", unit.now)
            raise ZeroDivisionError
        tell(unit.session, "kept", unit.now)
    assert [(event.sequence, event.subject) for event in told(database.db)] == [(1, "kept")]


def test_a_reader_is_told_what_is_of_its_clients_and_kinds_and_goes_past_the_rest(database: FreshDatabase) -> None:
    with database.db.unit() as unit:
        for client in ("acme", "globex", None):
            tell(unit.session, f"of {client}", unit.now, client=client)
        tell(unit.session, "of acme", unit.now, client="acme", event="ended")
    assert [event.client for event in told(database.db, client="acme")] == ["acme", "acme"]
    assert [event.client for event in told(database.db, client=["globex"])] == ["globex"]
    assert told(database.db, client=[]) == []
    assert [event.sequence for event in told(database.db, kinds=["thing.ended"])] == [4]
    assert len(told(database.db, kinds=["thing"])) == 4
    with database.db.unit() as unit:
        assert queries.after(unit.session, cursor=0, limit=10, client="globex").cursor == 4
        assert queries.after(unit.session, cursor=0, limit=1, client="acme").cursor == 1
        with pytest.raises(queries.UnknownEvent):
            queries.by_id(unit.session, event=queries.after(unit.session, cursor=0, limit=1).events[0].id, client="x")


def test_a_bell_rings_at_the_commit_with_the_newest_cursor(database: FreshDatabase) -> None:
    url = database.app_url.replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(url, autocommit=True) as listener:
        listener.execute(f"LISTEN {events.CHANNEL}")
        with database.db.unit() as unit:
            tell(unit.session, "a", unit.now)
            tell(unit.session, "a", unit.now)
            assert not list(listener.notifies(timeout=0.05))
        assert [note.payload for note in listener.notifies(timeout=10, stop_after=1)] == ["2"]


@pytest.mark.parametrize(
    "forbidden", ["UPDATE events SET actor = 'x'", "DELETE FROM events", "TRUNCATE events CASCADE"]
)
def test_nobody_changes_what_was_told(database: FreshDatabase, forbidden: str) -> None:
    with database.db.unit() as unit:
        tell(unit.session, "a", unit.now)
    with pytest.raises(DBAPIError), database.db.unit() as unit:
        unit.session.execute(text(forbidden))
    engine = create_engine(database.superuser_url)
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(forbidden))
    engine.dispose()


def test_telling_costs_four_statements_however_much_is_told(database: FreshDatabase) -> None:
    assert _statements(database.db, 1) == _statements(database.db, 400) == 4


def test_the_same_bytes_are_told_each_time(database: FreshDatabase) -> None:
    with database.db.unit() as unit:
        tell(unit.session, "ü", unit.now)
    (event,) = told(database.db)
    assert event.body == canonical_json(event.to_json())
    assert event.thin() == {name: value for name, value in event.to_json().items() if name != "data"}
    assert event.body == told(database.db)[0].body


@pytest.mark.parametrize("text_", ["", "Withdrawal", "a.b.c", "a.", ".a", "a b", 5, None, "a" * 50])
def test_a_filter_that_is_none_is_refused(text_: object) -> None:
    with pytest.raises(InvalidInput, match="accepted is a kind"):
        expect_type(text_, field="type")
    assert expect_type("withdrawal.approved", field="type") == "withdrawal.approved"


def _statements(db: Database, count: int) -> int:
    from sqlalchemy import event as listening

    seen: list[str] = []
    with db.unit() as unit:
        for number in range(count):
            tell(unit.session, f"many {number}", unit.now)
        note = lambda *given: seen.append(given[2])  # noqa: E731  SQLAlchemy removes a listener by identity
        listening.listen(db.engine, "before_cursor_execute", note)
    listening.remove(db.engine, "before_cursor_execute", note)
    return len(seen)
