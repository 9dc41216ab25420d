"""What this program was told and what it said, in a file of its own: nothing of it is ever updated or deleted."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from custody.evidence.trust_root import TrustRoot
from custody.kernel.canonical import canonical_json
from custody.kernel.clock import parse_rfc3339, rfc3339
from custody.kernel.errors import InvalidInput, NotFound

_TABLES: Final = {
    "versions": "version INTEGER PRIMARY KEY, root TEXT NOT NULL, policy TEXT NOT NULL, at TEXT NOT NULL",
    "told": "place INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, body TEXT NOT NULL,"
    " at TEXT NOT NULL",
    "seen": "digest TEXT PRIMARY KEY, at TEXT NOT NULL",
    "stated": "number INTEGER PRIMARY KEY, at TEXT NOT NULL, body TEXT NOT NULL",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing this program was told and proved."""

    name: str
    """What it is told once under: a digest."""
    kind: str
    """``freeze``, ``unfreeze``, ``revoked`` or ``withdrawn``."""
    body: dict[str, Any]
    at: datetime


class Keeping:
    """The file, opened."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def create(cls, path: Path) -> Keeping:
        """Make an empty one. Raises ``InvalidInput`` where there is one."""
        if path.exists():
            raise InvalidInput("there is one already", field="home")
        path.touch(mode=0o600)
        connection = _connect(path)
        for name, columns in _TABLES.items():
            connection.execute(f"CREATE TABLE {name} ({columns})")
            for verb in ("UPDATE", "DELETE"):
                refuse = "BEGIN SELECT RAISE(ABORT, 'nothing told is taken back'); END"
                connection.execute(f"CREATE TRIGGER {name}_no_{verb.lower()} BEFORE {verb} ON {name} {refuse}")
        return cls(connection)

    @classmethod
    def open(cls, path: Path) -> Keeping:
        """Open it. Raises ``NotFound``: a fresh one would have forgotten what was taken back."""
        if not path.is_file() or not path.stat().st_size:
            raise NotFound("is gone; a new one must be told everything again", field="home")
        return cls(_connect(path))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """One transaction: all of it is on disk at the end, or none."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def versions(self) -> list[tuple[TrustRoot, str]]:
        """Every version of the trust root that was proved here, with its policy's text, oldest first."""
        rows = self._connection.execute("SELECT root, policy FROM versions ORDER BY version")
        return [(TrustRoot.parse(json.loads(root)), policy) for root, policy in rows]

    def add_version(self, root: TrustRoot, policy: str, *, now: datetime) -> None:
        """Take a version over for good."""
        row = (root.version, canonical_json(root.to_json()).decode(), policy, rfc3339(now))
        self._connection.execute("INSERT INTO versions (version, root, policy, at) VALUES (?, ?, ?, ?)", row)

    def add(self, entry: Entry) -> bool:
        """Write down what was told; whether it is new. What was told before is not told again."""
        row = (entry.name, entry.kind, canonical_json(entry.body).decode(), rfc3339(entry.at))
        done = self._connection.execute("INSERT OR IGNORE INTO told (name, kind, body, at) VALUES (?, ?, ?, ?)", row)
        return done.rowcount == 1

    def entries(self) -> list[Entry]:
        """Everything told, in order."""
        rows = self._connection.execute("SELECT name, kind, body, at FROM told ORDER BY place")
        return [Entry(row[0], row[1], json.loads(row[2]), parse_rfc3339(row[3], field="told.at")) for row in rows]

    def first_seen(self, digest: str) -> datetime | None:
        """When an intent was first seen here."""
        row = self._connection.execute("SELECT at FROM seen WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else parse_rfc3339(row[0], field="seen.at")

    def note_seen(self, digest: str, *, now: datetime) -> None:
        """Remember when; the first time counts."""
        self._connection.execute("INSERT OR IGNORE INTO seen (digest, at) VALUES (?, ?)", (digest, rfc3339(now)))

    def next_number(self, *, now: datetime) -> int:
        """Greater than any before, and than any that a lost file could have given before now."""
        (last,) = self._connection.execute("SELECT coalesce(max(number), 0) FROM stated").fetchone()
        return max(int(last) + 1, int(now.timestamp() * 1_000))

    def note_stated(self, number: int, body: dict[str, Any], *, now: datetime) -> None:
        """Remember a statement before it leaves."""
        row = (number, rfc3339(now), canonical_json(body).decode())
        self._connection.execute("INSERT INTO stated (number, at, body) VALUES (?, ?, ?)", row)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA synchronous = EXTRA")
    return connection
