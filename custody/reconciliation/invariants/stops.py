"""I20 and I8 of what is stopped: it says so wherever it is read, and only the intent for it lifted it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session


def stops_are_kept(session: Session) -> Iterator[str]:
    """Clients and vaults are frozen as long as a stop of them stands, and no stop was lifted for another reason."""
    yield from session.execute(_STOPS).scalars()


_STOPS: Final = text(
    """
    SELECT 'client ' || c.id || ' is active and stopped' FROM clients c
    WHERE c.status = 'active' AND EXISTS (
      SELECT FROM stops s WHERE s.scope = 'client' AND s.subject = c.id AND s.lifted_at IS NULL)
    UNION ALL
    SELECT 'vault ' || v.id || ' is not frozen and stopped' FROM vaults v
    WHERE v.frozen_at IS NULL AND EXISTS (
      SELECT FROM stops s WHERE s.scope = 'vault' AND s.subject = v.id AND s.lifted_at IS NULL)
    UNION ALL
    SELECT 'stop ' || s.id || ' was put by an intent for something else' FROM stops s
    JOIN intents i ON i.digest = s.digest
    WHERE (i.kind, i.document -> 'request' ->> 'scope', i.document -> 'request' ->> 'subject')
      IS DISTINCT FROM ('freeze', s.scope, s.subject)
    UNION ALL
    SELECT 'stop ' || s.id || ' was lifted by an intent for something else' FROM stops s
    JOIN intents i ON i.digest = s.lifted_by
    WHERE NOT (
      (i.kind = 'unfreeze' AND s.cause <> 'break' AND i.document -> 'request' ->> 'scope' = s.scope
        AND i.document -> 'request' ->> 'subject' = s.subject)
      OR (i.kind = 'break_resolution' AND s.cause = 'break' AND EXISTS (
        SELECT FROM breaks b JOIN break_resolutions r ON r.break_id = b.id
        WHERE r.digest = i.digest AND b.vault_id = s.subject)))
    """
)
