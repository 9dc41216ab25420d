"""Recording audit events and raising alarms.

Events of one unit are collected and chained just before it commits: the chain's lock, which all units
share, is then held for the length of one insert and not of the unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import event, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, SessionTransaction

from custody.audit.tables import AlarmRow, AuditRow
from custody.kernel.canonical import digest
from custody.kernel.clock import rfc3339

GENESIS: Final = "0" * 64
_LOCK: Final = 0x61756474
_PENDING: Final = "audit_pending"
_MARKS: Final = "audit_marks"

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
    session.info.setdefault(_PENDING, []).append(
        AuditRow(
            at=now,
            actor=actor,
            event=event,
            subject=subject,
            facts=dict(facts or {}),
            correlation_id=correlation_id,
        )
    )


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


@event.listens_for(Session, "before_commit")
def _seal(session: Session) -> None:
    if session.in_nested_transaction():
        return
    pending: list[AuditRow] = session.info.pop(_PENDING, [])
    if not pending:
        return
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


@event.listens_for(Session, "after_transaction_create")
def _mark(session: Session, transaction: SessionTransaction) -> None:
    if transaction.nested:
        marks = session.info.setdefault(_MARKS, WeakKeyDictionary())
        marks[transaction] = len(session.info.get(_PENDING, ()))


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, previous: SessionTransaction) -> None:
    """What was recorded inside a savepoint goes with it, what was recorded before it stays."""
    mark = session.info.get(_MARKS, {}).pop(previous, 0)
    del session.info.get(_PENDING, [])[mark:]
