"""Telling what changed. Events of one unit are numbered just before it commits, so a cursor never skips one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, bindparam, insert, text
from sqlalchemy.orm import Session

from custody.db.closing import ClosingLog
from custody.events.tables import EventRow
from custody.kernel.ids import new_id

CHANNEL: Final = "custody_events"
"""NOTIFY channel rung at commit with the newest sequence: a doorbell, never the news itself."""
_LOCK: Final = 0x65766E74
_PAGE: Final = 500
"""Rows of one statement: a database takes so many parameters and no more."""

_LAST: Final = text(
    """
    SELECT (SELECT coalesce(max(sequence), 0) FROM events) AS sequence, asked.kind, asked.subject,
      (SELECT coalesce(max(version), 0) FROM events e WHERE (e.kind, e.subject) = (asked.kind, asked.subject)) AS last
    FROM unnest(CAST(:kinds AS text[]), CAST(:subjects AS text[])) AS asked (kind, subject)
    """
).bindparams(bindparam("kinds"), bindparam("subjects"))


@dataclass(frozen=True, slots=True)
class _Told:
    id: str
    kind: str
    subject: str
    event: str
    data: Mapping[str, Any]
    client: str | None
    actor: str
    correlation_id: str
    at: datetime
    occurred_at: datetime | None


def publish(
    session: Session,
    *,
    kind: str,
    subject: str,
    event: str,
    data: Mapping[str, Any],
    client: str | None,
    actor: str,
    correlation_id: str,
    now: datetime,
    occurred_at: datetime | None = None,
) -> str:
    """State that the object ``subject`` of ``kind`` changed by ``event`` and is ``data`` now, as the API shows it.

    It is told when the unit commits, and never where it does not. ``client``: whose it is, who alone of the clients
    may hear of it; None is for the house. ``occurred_at``: when it happened, where that is another time than ``now``.
    Answers the id it is told under.
    """
    event_id = new_id("evt", now)
    told = _Told(event_id, kind, subject, event, dict(data), client, actor, correlation_id, now, occurred_at)
    _LOG.collect(session, told)
    return event_id


def _number(session: Session, told: list[_Told]) -> None:
    session.flush()
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    subjects = list(dict.fromkeys((item.kind, item.subject) for item in told))
    last = session.execute(
        _LAST, {"kinds": [kind for kind, _ in subjects], "subjects": [subject for _, subject in subjects]}
    ).all()
    rows = _rows(told, last)
    for start in range(0, len(rows), _PAGE):
        session.execute(insert(EventRow).values(rows[start : start + _PAGE]))
    session.execute(text("SELECT pg_notify(:channel, :sequence)"), _ring(rows[-1]["sequence"]))


def _ring(sequence: int) -> dict[str, str]:
    return {"channel": CHANNEL, "sequence": str(sequence)}


def _rows(told: Sequence[_Told], last: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    sequence = last[0].sequence
    versions = {(row.kind, row.subject): row.last for row in last}
    rows = []
    for item in told:
        sequence += 1
        versions[(item.kind, item.subject)] += 1
        rows.append(
            {
                "sequence": sequence,
                "id": item.id,
                "kind": item.kind,
                "subject": item.subject,
                "event": item.event,
                "version": versions[(item.kind, item.subject)],
                "client": item.client,
                "actor": item.actor,
                "correlation_id": item.correlation_id,
                "at": item.at,
                "occurred_at": item.occurred_at,
                "data": item.data,
            }
        )
    return rows


_LOG: Final = ClosingLog[_Told]("events", rank=2, write=_number)
