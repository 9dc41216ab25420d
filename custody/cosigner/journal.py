"""The append-only log of what this program did: each entry carries the hash of the one before it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from custody.kernel.canonical import canonical_json, digest
from custody.kernel.clock import parse_rfc3339, rfc3339
from custody.kernel.errors import Broken

_GENESIS: Final = "0" * 64


class JournalBroken(Broken):
    """An entry of the log was altered or is missing."""

    code = "cosigner-journal-broken"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One thing this program did."""

    place: int
    at: datetime
    kind: str
    body: Mapping[str, Any]
    hash: str


def append(connection: sqlite3.Connection, *, kind: str, body: Mapping[str, Any], at: datetime) -> None:
    """Add an entry within the caller's transaction."""
    last = connection.execute("SELECT place, hash FROM journal ORDER BY place DESC LIMIT 1").fetchone()
    place, previous = (last[0] + 1, last[1]) if last else (1, _GENESIS)
    written = rfc3339(at)
    connection.execute(
        "INSERT INTO journal (place, at, kind, body, hash) VALUES (?, ?, ?, ?, ?)",
        (place, written, kind, canonical_json(body).decode(), _hash(place, previous, written, kind, body)),
    )


def entries(connection: sqlite3.Connection) -> Iterator[JournalEntry]:
    """Every entry from the first, each checked against the one before. Raises ``JournalBroken``."""
    previous, expected = _GENESIS, 1
    for place, at, kind, body, found in connection.execute("SELECT * FROM journal ORDER BY place"):
        read = json.loads(body)
        if place != expected or found != _hash(place, previous, at, kind, read):
            raise JournalBroken(f"entry {expected} was altered or is missing", field="log")
        yield JournalEntry(place, parse_rfc3339(at, field="log.at"), kind, read, found)
        previous, expected = found, expected + 1


def _hash(place: int, previous: str, at: str, kind: str, body: Mapping[str, Any]) -> str:
    entry = {"place": place, "previous": previous, "at": at, "kind": kind, "body": dict(body)}
    return digest("cosigner-journal", entry)
