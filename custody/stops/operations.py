"""Writing stops down and lifting them. Whose row says so beside it is the business of the room that asks."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.events import operations as events
from custody.stops.model import Cause, stop_name
from custody.stops.queries import LOCK, standing
from custody.stops.tables import STANDING, StopRow


def put(
    session: Session, *, scope: str, subject: str, cause: Cause, reason: str, now: datetime, digest: str | None = None
) -> bool:
    """Stop it; False where the same stands already. An intent (``digest``) stops once, also after it was lifted.

    Waits for every unit that read stops and is not over, and makes those that come wait for this one.
    """
    _alone(session)
    values = {
        "scope": scope,
        "subject": subject,
        "cause": cause.value,
        "reason": reason,
        "digest": digest,
        "since": now,
    }
    new = insert(StopRow).values(**values).on_conflict_do_nothing().returning(StopRow.id)
    if session.execute(new).scalar_one_or_none() is None:
        return False
    _tell(session, scope, subject, "begun", digest or cause.value, now)
    return True


def lift(
    session: Session, *, scope: str, subject: str, causes: Collection[Cause], begun_by: datetime, digest: str,
    now: datetime,
) -> int:  # fmt: skip
    """Lift what began by ``begun_by`` for one of ``causes``; how many that were. What began later stands."""
    _alone(session)
    lifted = session.execute(
        update(StopRow)
        .where(
            STANDING,
            StopRow.scope == scope,
            StopRow.subject == subject,
            StopRow.cause.in_([cause.value for cause in causes]),
            StopRow.since <= begun_by,
        )
        .values(lifted_at=now, lifted_by=digest)
        .returning(StopRow.id)
    )
    ended = len(lifted.all())
    if ended:
        _tell(session, scope, subject, "ended", digest, now)
    return ended


def is_stopped(session: Session, *, scope: str, subject: str) -> bool:
    """Whether any stop of it stands."""
    query = select(StopRow.id).where(STANDING, StopRow.scope == scope, StopRow.subject == subject).limit(1)
    return session.execute(query).first() is not None


def _tell(session: Session, scope: str, subject: str, event: str, actor: str, now: datetime) -> None:
    """One object for each thing that can be stopped: whether it is, and every reason that stands."""
    stands = standing(session, scope=scope, subject=subject)
    data = {
        "name": stop_name(scope, subject),
        "scope": scope,
        "subject": subject,
        "frozen": bool(stands),
        "reasons": [stop.to_json() for stop in stands],
    }
    events.publish(
        session,
        kind="freeze",
        subject=stop_name(scope, subject),
        event=event,
        data=data,
        client=subject if scope == "client" else None,
        actor=actor,
        correlation_id="",
        now=now,
    )


def _alone(session: Session) -> None:
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
