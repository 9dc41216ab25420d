"""Writing, leasing and finishing outbox rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.orm import Session

from custody.outbox.tables import OutboxRow

CHANNEL: Final = "custody_outbox"
"""NOTIFY channel rung at commit, so the relay need not poll fast."""


@dataclass(frozen=True, slots=True)
class Message:
    """One leased row: what the relay publishes."""

    id: int
    topic: str
    payload: Mapping[str, Any]
    correlation_id: str
    attempts: int


def emit(
    session: Session,
    *,
    topic: str,
    payload: Mapping[str, Any],
    correlation_id: str,
    now: datetime,
    delay: timedelta = timedelta(0),
) -> None:
    """Promise that ``topic`` will be handled at least once, no earlier than ``now + delay``."""
    session.add(
        OutboxRow(
            topic=topic,
            payload=dict(payload),
            correlation_id=correlation_id,
            created_at=now,
            due_at=now + delay,
        )
    )
    session.execute(text(f"NOTIFY {CHANNEL}"))


def lease(session: Session, *, now: datetime, length: timedelta, limit: int) -> list[Message]:
    """Take up to ``limit`` due rows that nobody holds, oldest first, for ``length``."""
    due = (
        select(OutboxRow.id)
        .where(
            OutboxRow.done_at.is_(None),
            OutboxRow.due_at <= now,
            func.coalesce(OutboxRow.leased_until, now) <= now,
        )
        .order_by(OutboxRow.due_at, OutboxRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = session.execute(
        update(OutboxRow)
        .where(OutboxRow.id.in_(due))
        .values(leased_until=now + length, attempts=OutboxRow.attempts + 1)
        .returning(OutboxRow)
    ).scalars()
    messages = [Message(row.id, row.topic, row.payload, row.correlation_id, row.attempts) for row in rows]
    return sorted(messages, key=lambda message: message.id)


def claim(session: Session, *, message_id: int, topic: str, now: datetime) -> Message | None:
    """The row as it was written, locked, if it still needs handling, is of ``topic``, and its time has come; else None.

    What a task does follows from this row and never from what came over the broker, where anybody may ring: who rings
    early ends no delay. What is leased was due.
    """
    may_be_handled = or_(OutboxRow.due_at <= now, OutboxRow.leased_until.is_not(None))
    row = session.execute(
        select(OutboxRow)
        .where(OutboxRow.id == message_id, OutboxRow.topic == topic, OutboxRow.done_at.is_(None), may_be_handled)
        .with_for_update()
    ).scalar_one_or_none()
    return None if row is None else Message(row.id, row.topic, row.payload, row.correlation_id, row.attempts)


def is_waiting(session: Session, *, message_id: int) -> bool:
    """Whether the row still needs handling; locks it, so two deliveries of one message run one after the other."""
    found = session.execute(
        select(OutboxRow.id).where(OutboxRow.id == message_id, OutboxRow.done_at.is_(None)).with_for_update()
    ).scalar_one_or_none()
    return found is not None


def finish(session: Session, *, message_id: int, now: datetime, failed: str | None = None) -> None:
    """The message is handled (or refused for good, with the reason): it is never published again."""
    session.execute(
        update(OutboxRow).where(OutboxRow.id == message_id).values(done_at=now, leased_until=None, failed=failed)
    )


def postpone(session: Session, *, message_id: int, until: datetime, why: str) -> None:
    """Handle the message again at ``until``."""
    session.execute(
        update(OutboxRow)
        .where(OutboxRow.id == message_id, OutboxRow.done_at.is_(None))
        .values(due_at=until, leased_until=None, failed=why)
    )


def prune(session: Session, *, before: datetime) -> int:
    """Delete rows finished before ``before``; returns how many. Nothing is inferred from their absence."""
    gone: Sequence[int] = (
        session.execute(text("DELETE FROM outbox WHERE done_at < :before RETURNING id"), {"before": before})
        .scalars()
        .all()
    )
    return len(gone)
