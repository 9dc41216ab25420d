"""How far behind the house is with what it does by itself: work that is due, events that are told, webhooks pushed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.kernel.shown import when

COUNTED_TO: Final = 1_000

_WORK: Final = text(
    """
    SELECT count(*) AS due, min(due_at) FILTER (WHERE attempts = 0) AS unpublished,
      min(due_at) FILTER (WHERE attempts > 0) AS unhandled
    FROM (SELECT due_at, attempts FROM outbox WHERE done_at IS NULL AND due_at <= :now
          ORDER BY due_at LIMIT :limit) AS due
    """
)
# Work that waits and the endpoint that has failed longest: the first of a partial index, however many there are.
_PUSHED: Final = text(
    """
    SELECT (SELECT count(*) FROM (SELECT 1 FROM webhook_deliveries d WHERE d.state = 'waiting'
              AND d.endpoint_id IN (SELECT id FROM webhook_endpoints WHERE state = 'active') LIMIT :limit) AS due
      ) AS waiting,
      (SELECT min(failing_since) FROM webhook_endpoints WHERE state = 'active') AS failing_since,
      (SELECT min(position) FROM webhook_endpoints WHERE state = 'active') AS position,
      (SELECT count(*) FROM webhook_endpoints WHERE state = 'disabled') AS disabled
    """
)
_TOLD: Final = text("SELECT sequence, at FROM events ORDER BY sequence DESC LIMIT 1")


@dataclass(frozen=True, slots=True)
class Work:
    """Messages that are due, counted up to ``COUNTED_TO``; since when the oldest is not published, and not handled."""

    due: int
    unpublished_since: datetime | None
    unhandled_since: datetime | None


@dataclass(frozen=True, slots=True)
class Pushed:
    """Deliveries that wait at active endpoints, counted up to ``COUNTED_TO``."""

    waiting: int
    failing_since: datetime | None
    """Since when the endpoint that has failed longest takes nothing."""
    position: int | None
    """Up to which cursor events were taken over for every active endpoint."""
    disabled: int
    """Endpoints that get nothing any more."""


def work(session: Session, *, now: datetime) -> Work:
    """What is due at ``now``, and since when it waits for the relay and for workers."""
    row = session.execute(_WORK, {"now": now, "limit": COUNTED_TO}).one()
    return Work(row.due, row.unpublished, row.unhandled)


def pushed(session: Session) -> Pushed:
    """What waits to be pushed."""
    row = session.execute(_PUSHED, {"limit": COUNTED_TO}).one()
    return Pushed(row.waiting, row.failing_since, row.position, row.disabled)


def lag_view(session: Session, *, now: datetime) -> dict[str, Any]:
    """Work, events and webhooks for programs. Workers are known by the work they leave: there is no other sign."""
    due, out, told = work(session, now=now), pushed(session), session.execute(_TOLD).one_or_none()
    head = 0 if told is None else told.sequence
    return {
        "work": {
            "due": due.due,
            "unpublished_seconds": _since(due.unpublished_since, now),
            "unhandled_seconds": _since(due.unhandled_since, now),
        },
        "events": {"cursor": str(head), "newest_at": when(None if told is None else told.at)},
        "webhooks": {
            "waiting": out.waiting,
            "events_behind": 0 if out.position is None else max(0, head - out.position),
            "failing_seconds": _since(out.failing_since, now),
            "disabled": out.disabled,
        },
        "counted_to": COUNTED_TO,
    }


def _since(moment: datetime | None, now: datetime) -> int:
    return 0 if moment is None else max(0, int((now - moment).total_seconds()))
