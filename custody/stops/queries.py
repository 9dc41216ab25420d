"""Reading stops, and reading them so that none can begin before the unit ends."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from custody.stops.model import EVERYTHING, Cause, Stop
from custody.stops.tables import STANDING, StopRow

LOCK: Final = 0x73746F70
"""Whoever acts on what is not stopped shares it; whoever stops or lifts has it alone."""


def first(session: Session, *, client: str | None, vault: str, asset: str | None) -> Stop | None:
    """The oldest stop that concerns any of these, or everything; none that begins before this unit's end is missed.

    ``None`` for what the act is not about: to use a turn up for nothing is about its vault alone.
    """
    session.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": LOCK})
    concerned = [(EVERYTHING, EVERYTHING), ("vault", vault), ("client", client), ("asset", asset)]
    found = [
        stop
        for stop in standing(session)
        if any((stop.scope, stop.subject) == (scope, subject) for scope, subject in concerned)
    ]
    return found[0] if found else None


def standing(session: Session, *, scope: str | None = None, subject: str | None = None) -> list[Stop]:
    """Every stop that is not lifted, oldest first; of one scope, and of one subject, where named."""
    return _stops(session, STANDING, *_named(scope, subject))


def every(session: Session, *, scope: str | None = None, subject: str | None = None) -> list[Stop]:
    """Every stop there ever was, oldest first."""
    return _stops(session, *_named(scope, subject))


def lifted(session: Session, *, before: int = 0, limit: int) -> list[Stop]:
    """The newest ``limit`` stops that were lifted, newest first; those older than the one numbered ``before``."""
    older = [StopRow.id < before] if before else []
    query = select(StopRow).where(StopRow.lifted_at.is_not(None), *older).order_by(StopRow.id.desc()).limit(limit)
    return [_stop(row) for row in session.execute(query).scalars()]


def by_digest(session: Session, *, digest: str) -> Stop | None:
    """The stop that intent asked for, lifted or not."""
    found = _stops(session, StopRow.digest == digest)
    return found[0] if found else None


def names(session: Session) -> tuple[str, ...]:
    """What is stopped now, as a status statement names it, each once."""
    return tuple(sorted({stop.name for stop in standing(session)}))


def _named(scope: str | None, subject: str | None) -> list[Any]:
    pairs = ((StopRow.scope, scope), (StopRow.subject, subject))
    return [column == value for column, value in pairs if value is not None]


def _stops(session: Session, *conditions: Any) -> list[Stop]:
    rows = session.execute(
        select(StopRow).where(*conditions).order_by(StopRow.id).execution_options(populate_existing=True)
    ).scalars()
    return [_stop(row) for row in rows]


def _stop(row: StopRow) -> Stop:
    return Stop(
        id=row.id,
        scope=row.scope,
        subject=row.subject,
        cause=Cause(row.cause),
        reason=row.reason,
        digest=row.digest,
        since=row.since,
        lifted_at=row.lifted_at,
        lifted_by=row.lifted_by,
    )
