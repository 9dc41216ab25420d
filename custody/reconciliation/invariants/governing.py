"""What people stopped, let go and posted by hand: an intent stands behind each, and it is so wherever it is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session


def stops_are_kept(session: Session) -> Iterator[str]:
    """Clients and vaults are frozen as long as a stop of them stands, and no stop was lifted for another reason."""
    yield from session.execute(_STOPS).scalars()


def entries_by_hand_are_asked_for(session: Session) -> Iterator[str]:
    """I5: every entry of a kind that only people post is the one that a carried out intent asks for."""
    yield from session.execute(_BY_HAND).scalars()


_BY_HAND: Final = text(
    """
    SELECT 'entry ' || e.id || ' is ' || e.reason || ' and no intent for it was carried out' FROM journal_entries e
    WHERE e.reason IN ('suspense_resolved', 'suspense_restored', 'receivable_repaid', 'found_on_chain', 'lost_on_chain')
      AND NOT EXISTS (
        SELECT FROM intents i JOIN postings p ON p.entry_id = e.id JOIN ledger_accounts a ON a.id = p.account_id
        WHERE e.key = 'manual:' || i.digest AND i.kind = 'manual_entry' AND i.carried_out_at IS NOT NULL
          AND (p.units::text, a.asset)
            = (i.document -> 'request' ->> 'amount', i.document -> 'request' ->> 'asset'))
    """
)

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
