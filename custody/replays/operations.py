"""Taking a signed call once. What can no longer be taken is forgotten on the way, a few rows at a time.

One clock decides both, the database's, however many processes there are and whatever time it is in each: a call is
taken before its moment and forgotten after it, never the other way round.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

FORGOTTEN_AT_ONCE: Final = 10
"""More than one call adds, so the table does not grow; and no call pays for a night's calls."""
KEPT_SECONDS: Final = 60
"""How much longer a row is kept, for units that have begun and not yet taken theirs."""

_TAKE: Final = text(
    """
    WITH gone AS (
      DELETE FROM call_nonces WHERE (key, nonce) IN (
        SELECT key, nonce FROM call_nonces
        WHERE forgotten_at < statement_timestamp() - make_interval(secs => :kept)
        ORDER BY forgotten_at LIMIT :several FOR UPDATE SKIP LOCKED
      )
    ), taken AS (
      INSERT INTO call_nonces (key, nonce, forgotten_at)
      SELECT :key, :nonce, :forgotten_at WHERE :forgotten_at > statement_timestamp()
      ON CONFLICT (key, nonce) DO NOTHING RETURNING 1
    )
    SELECT CASE
      WHEN EXISTS (SELECT FROM taken) THEN 'taken' WHEN :forgotten_at > statement_timestamp() THEN 'known' ELSE 'over'
    END
    """
)


class Taken(StrEnum):
    """What became of a call: it is taken now, it came before, or its time is over."""

    TAKEN = "taken"
    KNOWN = "known"
    OVER = "over"


def take(session: Session, *, key: str, nonce: str, forgotten_at: datetime) -> Taken:
    """Remember ``nonce`` of the key until ``forgotten_at`` by the database's clock. One statement.

    Of two units that take the same one, the second waits for the first to end and sees what it wrote.
    """
    given = {"key": key, "nonce": nonce, "forgotten_at": forgotten_at}
    limits = {"several": FORGOTTEN_AT_ONCE, "kept": KEPT_SECONDS}
    return Taken(session.execute(_TAKE, given | limits).scalar_one())
