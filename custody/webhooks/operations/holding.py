"""Which deliveries claims pass over: what has ``FRONT`` of its object before it, and what waits for one to be taken.

However much waits of an object, no more than its first ones are read or written here. What stands behind them is held
since it was made, and comes forward as those before it are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

FRONT: Final = 20
"""Of one object so many may leave or be on their way at once."""

_STANDING: Final = text(
    """
    SELECT object.kind, object.subject, count(*) AS number, bool_or(first.first_failed_at IS NOT NULL) AS is_failing
    FROM unnest(CAST(:kinds AS text[]), CAST(:subjects AS text[])) AS object (kind, subject) CROSS JOIN LATERAL (
      SELECT first_failed_at FROM webhook_deliveries
      WHERE endpoint_id = :endpoint AND kind = object.kind AND subject = object.subject
        AND state = 'waiting' AND NOT repeat
      ORDER BY sequence LIMIT :front) first
    GROUP BY object.kind, object.subject
    """
)
# As an array, what is to be marked is found by its id whatever the planner believes that there is of it.
_MARK: Final = text(
    """
    UPDATE webhook_deliveries SET held = NOT held WHERE id = ANY(ARRAY(
      SELECT line.id
      FROM (SELECT DISTINCT endpoint_id, kind, subject FROM webhook_deliveries WHERE id = ANY(:ids)) object
      CROSS JOIN LATERAL (
        SELECT id, held, first_failed_at IS NULL AND coalesce(bool_or(first_failed_at IS NOT NULL) OVER (
          ORDER BY sequence ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), false) AS is_behind
        FROM (
          SELECT id, sequence, held, first_failed_at FROM webhook_deliveries
          WHERE endpoint_id = object.endpoint_id AND kind = object.kind AND subject = object.subject
            AND state = 'waiting' AND NOT repeat
          ORDER BY sequence LIMIT :front) first) line
      WHERE line.held <> line.is_behind))
    """
)


def mark_new(session: Session, *, endpoint: str, rows: Sequence[dict[str, Any]]) -> None:
    """Set ``held`` of rows that are about to be made, in their order. The caller has the endpoint locked."""
    objects = list(dict.fromkeys((row["kind"], row["subject"]) for row in rows))
    asked = {"kinds": [kind for kind, _ in objects], "subjects": [subject for _, subject in objects]}
    standing = session.execute(_STANDING, {"endpoint": endpoint, "front": FRONT, **asked}).all()
    places = dict.fromkeys(objects, FRONT)
    places |= {(row.kind, row.subject): 0 if row.is_failing else FRONT - row.number for row in standing}
    for row in rows:
        if not row["repeat"]:
            row["held"] = places[row["kind"], row["subject"]] <= 0
            places[row["kind"], row["subject"]] -= 1


def mark(session: Session, *, deliveries: Sequence[int]) -> None:
    """Set ``held`` anew at the front of the objects of these. The caller has their endpoints locked.

    What was not taken is never held itself.
    """
    if deliveries:
        session.execute(_MARK, {"ids": deliveries, "front": FRONT})
