"""Reading the audit log: its head, its proof, the alarms."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.audit.operations import GENESIS, event_hash
from custody.audit.tables import AlarmRow, AuditRow


@dataclass(frozen=True, slots=True)
class Head:
    """The last link: what can be anchored outside the database."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm as raised."""

    kind: str
    subject: str
    step: str
    raised_at: datetime
    why: str


def head(session: Session) -> Head:
    """The newest link, or the genesis value of an empty log."""
    row = session.execute(
        select(AuditRow.sequence, AuditRow.hash).order_by(AuditRow.sequence.desc()).limit(1)
    ).one_or_none()
    return Head(row.sequence, row.hash) if row else Head(0, GENESIS)


def how_often(session: Session, *, event: str, subject: str, actor: str) -> int:
    """How many events of that name and actor are about ``subject``."""
    rows = select(func.count()).where(AuditRow.event == event, AuditRow.subject == subject, AuditRow.actor == actor)
    return session.execute(rows).scalar_one()


def first_bad_record(session: Session, *, watched: Callable[[Iterable[Any]], Iterable[Any]] = iter) -> int | None:
    """Walk the whole chain; the sequence of the first altered, missing or reordered record, or None (I11).

    ``watched`` sees every record pass, for whoever shows how far it is.
    """
    previous = GENESIS
    # A batch at a time: the log is as long as the house's life.
    every = select(AuditRow).order_by(AuditRow.sequence).execution_options(yield_per=1_000)
    for sequence, row in enumerate(watched(session.execute(every).scalars()), start=1):
        if row.sequence != sequence or row.previous_hash != previous or event_hash(row) != row.hash:
            return sequence
        previous = row.hash
    return None


def alarms(session: Session) -> list[Alarm]:
    """Every alarm, oldest first."""
    rows = session.execute(select(AlarmRow).order_by(AlarmRow.id)).scalars()
    return [Alarm(row.kind, row.subject, row.step, row.raised_at, row.why) for row in rows]
