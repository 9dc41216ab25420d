"""I11 for what is told: no move of what has states is left out, and the newest event is what is so now."""

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
    yield from session.execute(_NEVER_TOLD).scalars()
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
      SELECT 'withdrawal' AS kind, id, state, waiting_for AS more FROM withdrawals
      UNION ALL SELECT 'deposit', id, state, NULL FROM deposits
      UNION ALL SELECT 'attempt', id, state, confirmed_height::text FROM attempts
      UNION ALL SELECT 'bundle', id, state, txid FROM bundles
      UNION ALL SELECT 'job', id, state, NULL FROM jobs),
    newest AS (
      SELECT r.*, coalesce(e.data ->> 'status', e.data ->> 'state') AS told,
        CASE r.kind WHEN 'withdrawal' THEN e.data ->> 'waiting_for' WHEN 'attempt' THEN e.data ->> 'confirmed_height'
          WHEN 'bundle' THEN e.data ->> 'txid' END AS told_more
      FROM rows r CROSS JOIN LATERAL (
        SELECT data FROM events WHERE kind = r.kind AND subject = r.id ORDER BY version DESC LIMIT 1) e)
    SELECT kind || ' ' || id || ' is ' || state || coalesce(', ' || more, '')
      || ' and was told to be ' || told || coalesce(', ' || told_more, '')
    FROM newest WHERE (told, told_more) IS DISTINCT FROM (state, more)
    ORDER BY 1
    """
)

_NEVER_TOLD: Final = text(
    """
    WITH rows AS (
      SELECT 'attempt' AS kind, id, composed_at AS at FROM attempts
      UNION ALL SELECT 'bundle', id, opened_at FROM bundles)
    SELECT kind || ' ' || id || ' is there and nobody was told' FROM rows r
    WHERE at >= (SELECT min(e.at) FROM events e WHERE e.kind = r.kind)
      AND NOT EXISTS (SELECT FROM events e WHERE e.kind = r.kind AND e.subject = r.id)
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
