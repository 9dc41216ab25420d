"""What an upgrade would do to a database in use: which tables it locks, how, and about how long it takes.

The migrations that are missing are written out as SQL, none of which is run. Each statement takes the lock that the
manual of Postgres gives for it, and reads or writes the tables it names; the sizes of those come from the database. A
lock is held until the end, for an upgrade is one transaction.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, inspect, text

from custody.db.migrations.run import config_for

READ_BYTES_PER_SECOND: Final = 100_000_000
WRITTEN_BYTES_PER_SECOND: Final = 20_000_000
"""Of one slow disk: an estimate that errs on the long side."""


class Lock(IntEnum):
    """Table locks of Postgres that an upgrade takes, the weakest first."""

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    ACCESS_EXCLUSIVE = 8

    @property
    def words(self) -> str:
        """As Postgres names it."""
        return self.name.replace("_", " ")

    @property
    def stops(self) -> str:
        """What has to wait meanwhile."""
        if self is Lock.ACCESS_EXCLUSIVE:
            return "reading and writing"
        return "writing" if self >= Lock.SHARE else "nothing"


@dataclass(frozen=True, slots=True)
class Touch:
    """What one statement does to one table: its lock, and how often all of the table is read and written."""

    table: str
    lock: Lock
    reads: int = 0
    writes: int = 0


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One table that is there already, and what the upgrade does to it."""

    table: str
    lock: Lock
    size: int
    """Bytes, indexes not counted."""
    seconds: int
    """Whole seconds, rounded up."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Where a database stands, where it would go, and what that takes."""

    now: str
    """Its migration; empty where it has none yet."""
    newest: str
    missing: tuple[str, ...]
    tables: tuple[Foreseen, ...]

    @property
    def seconds(self) -> int:
        """Of all tables together, for they come one after the other."""
        return sum(table.seconds for table in self.tables)


def foresee(owner_url: str) -> Upgrade:
    """What ``upgrade`` would do to the database at ``owner_url``. Nothing is locked or written by asking."""
    script = ScriptDirectory.from_config(config_for(owner_url))
    newest = str(script.get_current_head())
    engine = create_engine(owner_url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            now, sizes, indexes = _version(connection), _sizes(connection), indexes_of(connection)
    finally:
        engine.dispose()
    revisions = list(script.iterate_revisions(newest, now or "base"))[::-1]
    touches = [touch for each in revisions for touch in touches_of(each.module, indexes)]
    names = [name for name in dict.fromkeys(touch.table for touch in touches) if name in sizes]
    tables = tuple(_foreseen(name, sizes[name], touches) for name in names)
    return Upgrade(now, newest, tuple(each.revision for each in revisions), tables)


def touches_of(migration: Any, indexes: Mapping[str, str]) -> list[Touch]:
    """What one migration, a module with ``upgrade``, does to tables; ``indexes`` names the table of each index."""
    out = io.StringIO()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": out})
    with Operations.context(context):
        migration.upgrade()
    found = [touch for statement in statements(out.getvalue()) for touch in _touched(statement)]
    return [replace(touch, table=indexes.get(touch.table, touch.table)) for touch in found]


def indexes_of(connection: Connection) -> dict[str, str]:
    """Every index's table."""
    asked = "SELECT indexname, tablename FROM pg_indexes WHERE schemaname = 'public'"
    return {str(index): str(table) for index, table in connection.execute(text(asked))}


def _touched(statement: str) -> Iterator[Touch]:
    """What a statement does to tables; one of an unknown kind does nothing to any."""
    words = " ".join(statement.split())
    for pattern, read in _KINDS:
        if (match := pattern.match(words)) is not None:
            yield from read(match["table"], words)
            return


def statements(sql: str) -> Iterator[str]:
    """The statements of a script; what is quoted in any of Postgres' ways is left whole, comments are dropped."""
    gathered = ""
    for piece in _PIECE.findall(sql):
        if piece == ";":
            yield gathered.strip()
            gathered = ""
        elif not piece.startswith("--"):
            gathered += piece
    if gathered.strip():
        yield gathered.strip()


_PIECE: Final = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\$\w*\$.*?\$\w*\$|;|[^;'$-]+|.", re.DOTALL)
_ADDED: Final = re.compile(r"ADD (?:CONSTRAINT \w+ )?(CHECK|PRIMARY KEY|UNIQUE|EXCLUDE)")
_REWRITES: Final = re.compile(r"ALTER COLUMN \w+ (?:SET DATA )?TYPE|GENERATED ALWAYS AS \(|SET LOGGED|SET UNLOGGED")
_REFERENCES: Final = re.compile(r"REFERENCES (\w+)")
_SOURCES: Final = re.compile(r"(?:FROM|JOIN) (\w+)")


def _references(_table: str, words: str) -> Iterator[Touch]:
    """A foreign key puts a trigger on the table it points at."""
    for other in _REFERENCES.findall(words):
        yield Touch(other, Lock.SHARE_ROW_EXCLUSIVE)


def _alters(table: str, words: str) -> Iterator[Touch]:
    if re.search(r"(?:ENABLE|DISABLE) TRIGGER", words):
        yield Touch(table, Lock.SHARE_ROW_EXCLUSIVE)
        return
    rewrites = bool(_REWRITES.search(words))
    scans = len(_ADDED.findall(words)) + words.count("SET NOT NULL") + rewrites
    yield Touch(table, Lock.ACCESS_EXCLUSIVE, reads=scans, writes=int(rewrites))
    yield from _references(table, words)


def _indexes(table: str, _words: str) -> Iterator[Touch]:
    yield Touch(table, Lock.SHARE, reads=1)


def _triggers(table: str, _words: str) -> Iterator[Touch]:
    yield Touch(table, Lock.SHARE_ROW_EXCLUSIVE)


def _changes(table: str, words: str) -> Iterator[Touch]:
    yield Touch(table, Lock.ROW_EXCLUSIVE, reads=1, writes=1)
    yield from _reads(table, words)


def _inserts(table: str, words: str) -> Iterator[Touch]:
    yield Touch(table, Lock.ROW_EXCLUSIVE)
    yield from _reads(table, words)


def _reads(table: str, words: str) -> Iterator[Touch]:
    for other in dict.fromkeys(_SOURCES.findall(words)):
        if other != table:
            yield Touch(other, Lock.ACCESS_SHARE, reads=1)


def _drops(table: str, _words: str) -> Iterator[Touch]:
    """An index that is dropped locks its table, which ``touches_of`` puts in its place."""
    yield Touch(table, Lock.ACCESS_EXCLUSIVE)


_KINDS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), read)
    for pattern, read in (
        (r"CREATE TABLE (?P<table>\w+)", _references),
        (r"ALTER TABLE (?:ONLY )?(?P<table>\w+)", _alters),
        (r"CREATE (?:UNIQUE )?INDEX \w+ ON (?P<table>\w+)", _indexes),
        (r"CREATE (?:CONSTRAINT )?TRIGGER .*? ON (?P<table>\w+)", _triggers),
        (r"DROP (?:TABLE|INDEX|TRIGGER \w+ ON) (?P<table>\w+)", _drops),
        (r"UPDATE (?P<table>\w+)", _changes),
        (r"DELETE FROM (?P<table>\w+)", _changes),
        (r"INSERT INTO (?P<table>\w+)", _inserts),
    )
)


def _foreseen(table: str, size: int, touches: list[Touch]) -> Foreseen:
    own = [touch for touch in touches if touch.table == table]
    read, written = (size * sum(getattr(touch, what) for touch in own) for what in ("reads", "writes"))
    seconds = -(-read // READ_BYTES_PER_SECOND) + -(-written // WRITTEN_BYTES_PER_SECOND)
    return Foreseen(table, max(touch.lock for touch in own), size, seconds)


def _version(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def _sizes(connection: Connection) -> Mapping[str, int]:
    asked = (
        "SELECT tablename, pg_table_size(quote_ident(tablename)::regclass) FROM pg_tables WHERE schemaname = 'public'"
    )
    return {str(name): int(size) for name, size in connection.execute(text(asked))}
