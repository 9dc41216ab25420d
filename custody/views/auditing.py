"""The audit log: a page of it, what proves it, and all of it line by line."""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from custody.audit import queries as audit
from custody.evidence import fields
from custody.kernel.clock import rfc3339
from custody.kernel.errors import InvalidInput
from custody.views import cursors

_LISTING: Final = "audit"
FILTERS: Final = ("actor", "event", "subject")
_COLUMNS: Final = (
    "SELECT sequence, at, actor, event, subject, facts, correlation_id, previous_hash, hash FROM audit_events"
)
_ORDER: Final = " AND (:before = 0 OR sequence < :before) ORDER BY sequence DESC LIMIT :limit"
_PAGES: Final = {
    "": text(f"{_COLUMNS} WHERE true{_ORDER}"),
    **{name: text(f"{_COLUMNS} WHERE {name} = :wanted{_ORDER}") for name in FILTERS},
}
_ONWARDS: Final = text(f"{_COLUMNS} WHERE sequence > :behind ORDER BY sequence LIMIT :limit")
EXPORTED_AT_ONCE: Final = 1_000


def log(
    session: Session, *, by: str = "", wanted: str = "", after: str | None = None, limit: int | None = None
) -> dict[str, Any]:
    """One page, newest first, of everything or of one ``by`` (``FILTERS``) that is ``wanted``; ``next`` where there
    are more, and ``head``, the last link. Raises ``InvalidInput``.
    """
    if by:
        fields.one_of(by, FILTERS, field="by")
        wanted = fields.text(wanted or None, field="wanted", limit=200)
    elif wanted:
        raise InvalidInput(f"says of what; accepted is {', '.join(FILTERS)}", field="by")
    most, begin = cursors.limit(limit), cursors.read(after, f"{_LISTING}:{by}:{wanted}")
    before = 0 if begin is None else _sequence(begin[0])
    rows = session.execute(_PAGES[by], {"wanted": wanted, "before": before, "limit": most + 1}).all()
    head = audit.head(session)
    more = len(rows) > most
    return {
        "head": {"sequence": head.sequence, "hash": head.hash},
        "events": [event_view(row) for row in rows[:most]],
        "next": cursors.written(f"{_LISTING}:{by}:{wanted}", str(rows[most - 1].sequence)) if more else None,
    }


def verified(session: Session) -> dict[str, Any]:
    """Walk the whole chain: ``first_bad`` is the first record altered, missing or out of order, or None (I11)."""
    head = audit.head(session)
    return {"records": head.sequence, "hash": head.hash, "first_bad": audit.first_bad_record(session)}


def exported(session: Session, *, behind: int) -> list[tuple[int, bytes]]:
    """The next ``EXPORTED_AT_ONCE`` events after the record ``behind`` (0: from the beginning), oldest first.

    Each is its number and one JSON object on a line, with its hashes, so that anybody can walk the chain. Nothing is
    changed behind a record once it is there, so pieces read at different moments make one log.
    """
    rows = session.execute(_ONWARDS, {"behind": behind, "limit": EXPORTED_AT_ONCE})
    return [(row.sequence, _line(row)) for row in rows]


def _line(row: Row[Any]) -> bytes:
    return json.dumps(event_view(row), separators=(",", ":"), sort_keys=True).encode() + b"\n"


def event_view(row: Row[Any]) -> dict[str, Any]:
    """One link of the chain."""
    return {
        "sequence": row.sequence,
        "at": rfc3339(row.at),
        "actor": row.actor,
        "event": row.event,
        "subject": row.subject,
        "facts": row.facts,
        "correlation_id": row.correlation_id,
        "previous_hash": row.previous_hash,
        "hash": row.hash,
    }


def _sequence(part: str) -> int:
    if not (part.isascii() and part.isdecimal() and len(part) < 19):
        raise InvalidInput("not a cursor; accepted is what `next` gave", field="after")
    return int(part)
