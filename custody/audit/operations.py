"""Recording audit events and raising alarms.

Events of one unit are collected and chained just before it commits: the chain's lock, which all units
share, is then held for the length of one insert and not of the unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.audit.tables import AlarmRow, AuditRow
from custody.db.closing import ClosingLog
from custody.kernel.canonical import digest
from custody.kernel.clock import rfc3339

GENESIS: Final = "0" * 64
_LOCK: Final = 0x61756474

log = structlog.get_logger("custody.audit")


def record(
    session: Session,
    *,
    event: str,
    subject: str,
    actor: str,
    now: datetime,
    correlation_id: str = "",
    facts: Mapping[str, Any] | None = None,
) -> None:
    """State that ``event`` happened to ``subject``, in this unit. ``facts``: ids, words and integers, no secrets."""
    row = AuditRow(
        at=now, actor=actor, event=event, subject=subject, facts=dict(facts or {}), correlation_id=correlation_id
    )
    _LOG.collect(session, row)


def raise_alarm(session: Session, *, kind: str, subject: str, why: str, now: datetime, step: str = "") -> bool:
    """Raise an alarm once for (kind, subject, step); returns whether it was new. Logged as well as stored."""
    new = session.execute(
        insert(AlarmRow)
        .values(kind=kind, subject=subject, step=step, raised_at=now, why=why)
        .on_conflict_do_nothing()
        .returning(AlarmRow.id)
    ).scalar_one_or_none()
    if new is not None:
        log.error("alarm", kind=kind, subject=subject, step=step, why=why)
    return new is not None


def event_hash(row: AuditRow) -> str:
    """Hex digest that links ``row`` to the one before it."""
    return digest(
        "audit",
        {
            "sequence": row.sequence,
            "at": rfc3339(row.at),
            "actor": row.actor,
            "event": row.event,
            "subject": row.subject,
            "facts": row.facts,
            "correlation_id": row.correlation_id,
            "previous_hash": row.previous_hash,
        },
    )


def _seal(session: Session, pending: list[AuditRow]) -> None:
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    last = session.execute(
        select(AuditRow.sequence, AuditRow.hash).order_by(AuditRow.sequence.desc()).limit(1)
    ).one_or_none()
    sequence, previous = (last.sequence, last.hash) if last else (0, GENESIS)
    for row in pending:
        sequence += 1
        row.sequence, row.previous_hash = sequence, previous
        row.hash = previous = event_hash(row)
        session.add(row)


_LOG: Final = ClosingLog[AuditRow]("audit", rank=1, write=_seal)
