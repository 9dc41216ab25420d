"""What an upgrade is said to lock is what it locks, for every migration there is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text

from custody.cli.exits import run
from custody.cli.main import app
from custody.db.migrations import foreseeing
from custody.db.migrations.foreseeing import Lock, foresee, indexes_of, touches_of
from custody.db.migrations.run import config_for
from tests.integration.db.upgrading import EMPTY
from tests.support.servers import FreshDatabase

HELD = """
SELECT c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND l.granted AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
"""
MODES = {f"{lock.name.title().replace('_', '')}Lock": lock for lock in Lock}


@pytest.fixture
def owner(database: FreshDatabase) -> Iterator[Engine]:
    """A database with nothing in it, as its owner."""
    above = create_engine(database.superuser_url)
    with above.begin() as connection:
        connection.execute(text(EMPTY))
    above.dispose()
    engine = create_engine(database.owner_url)
    yield engine
    engine.dispose()


def test_every_migration_locks_what_it_is_said_to(database: FreshDatabase, owner: Engine) -> None:
    script = ScriptDirectory.from_config(config_for(database.owner_url))
    for revision in reversed(list(script.walk_revisions())):
        with owner.begin() as connection:
            before = tables(connection)
            said: dict[str, Lock] = {}
            for touch in touches_of(revision.module, indexes_of(connection)):
                said[touch.table] = max(touch.lock, said.get(touch.table, touch.lock))
            with Operations.context(MigrationContext.configure(connection)):
                revision.module.upgrade()
            held = strongest(connection)
        blocking = {name: lock for name, lock in held.items() if name in before and lock >= Lock.ROW_EXCLUSIVE}
        assert {
            name: lock for name, lock in said.items() if name in before and lock >= Lock.ROW_EXCLUSIVE
        } == blocking, revision.revision


def test_says_what_is_missing_and_changes_nothing(
    database: FreshDatabase, owner: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CUSTODY_OWNER_URL", database.owner_url)
    assert check(capsys)[1].startswith("the database is empty: ")
    command.upgrade(config_for(database.owner_url), "0027")
    rows, said = check(capsys)
    assert {row["table"]: (row["lock"], row["waits"]) for row in rows}.items() >= {
        ("reconciliation_runs", ("ACCESS EXCLUSIVE", "reading and writing")),
        ("clients", ("SHARE", "writing")),
    }
    assert "migrations lead from 0027 to" in said
    assert foresee(database.owner_url).now == "0027"
    monkeypatch.setattr(foreseeing, "READ_BYTES_PER_SECOND", 1)
    (log,) = (each for each in foresee(database.owner_url).tables if each.table == "audit_events")
    assert log.seconds == 2 * log.size > 0, "two indexes are made of it"
    assert run(app, ["db", "upgrade"]) == 0
    assert check(capsys)[0] == []
    assert "the schema is up to date: " in check(capsys)[1]


def check(capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, str]], str]:
    capsys.readouterr()
    assert run(app, ["db", "upgrade", "--check", "--format", "json"]) == 0
    said = capsys.readouterr()
    return json.loads(said.out), said.err


def tables(connection: Connection) -> set[str]:
    return set(connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars())


def strongest(connection: Connection) -> dict[str, Lock]:
    found: dict[str, Lock] = {}
    for table, mode in connection.execute(text(HELD)):
        if mode in MODES:
            found[table] = max(MODES[mode], found.get(table, MODES[mode]))
    return found
