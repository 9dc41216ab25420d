"""I11 for what is told: no move of a withdrawal or a deposit is left out, and the newest event is what is so now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session


def changes_are_told(session: Session) -> Iterator[str]:
    """Every step since the first event there is was told at its moment, in its order; rows are as they were told.

    What ended before events were told at all has none, and needs none.
    """
    yield from session.execute(_UNTOLD).scalars()
    yield from session.execute(_OTHERWISE).scalars()
    yield from session.execute(_GAPS).scalars()


_UNTOLD: Final = text(
    """
    WITH steps AS (
      SELECT 'withdrawal' AS kind, subject, step, to_state, at FROM withdrawal_transitions
      UNION ALL SELECT 'deposit', subject, step, to_state, at FROM deposit_transitions)
    SELECT kind || ' ' || subject || ' became ' || to_state || ' and nobody was told' FROM steps s
    WHERE at >= (SELECT min(e.at) FROM events e) AND NOT EXISTS (
      SELECT FROM events e WHERE e.kind = s.kind AND e.subject = s.subject AND e.event = s.to_state AND e.at = s.at)
    ORDER BY s.at, subject, step
    """
)

_OTHERWISE: Final = text(
    """
    WITH rows AS (
      SELECT 'withdrawal' AS kind, id, state FROM withdrawals UNION ALL SELECT 'deposit', id, state FROM deposits)
    SELECT r.kind || ' ' || r.id || ' is ' || r.state || ' and was told to be ' || (e.data ->> 'status')
    FROM rows r CROSS JOIN LATERAL (
      SELECT data FROM events WHERE kind = r.kind AND subject = r.id ORDER BY version DESC LIMIT 1) e
    WHERE e.data ->> 'status' IS DISTINCT FROM r.state
    ORDER BY 1
    """
)

_GAPS: Final = text(
    """
    SELECT 'the events have gaps: ' || count(*) || ' up to ' || max(sequence) FROM events
    HAVING max(sequence) <> count(*)
    UNION ALL
    SELECT kind || ' ' || subject || ' was told in other versions than 1 to ' || count(*) FROM events
    GROUP BY kind, subject HAVING max(version) <> count(*)
    """
)
