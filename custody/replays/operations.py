"""Taking a signed call once. What can no longer be fresh is forgotten on the way, a few rows at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

FORGOTTEN_AT_ONCE: Final = 10
"""More than one call adds, so the table does not grow; and no call pays for a night's calls."""

_TAKE: Final = text(
    """
    WITH gone AS (
      DELETE FROM call_nonces WHERE (key, nonce) IN (
        SELECT key, nonce FROM call_nonces WHERE forgotten_at < :now
        ORDER BY forgotten_at LIMIT :several FOR UPDATE SKIP LOCKED
      )
    )
    INSERT INTO call_nonces (key, nonce, forgotten_at) VALUES (:key, :nonce, :forgotten_at)
    ON CONFLICT (key, nonce) DO NOTHING RETURNING 1
    """
)


def take(session: Session, *, key: str, nonce: str, forgotten_at: datetime, now: datetime) -> bool:
    """Remember ``nonce`` of the key until ``forgotten_at``; False where it is known already. One statement.

    Of two units that take the same one, the second waits for the first to end and sees what it wrote.
    """
    given = {"key": key, "nonce": nonce, "forgotten_at": forgotten_at, "now": now, "several": FORGOTTEN_AT_ONCE}
    return session.execute(_TAKE, given).scalar_one_or_none() is not None
