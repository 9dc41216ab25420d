"""What relaying shows: fees are in the books once (I4), numbers given once (I6), only attempts carried (I7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session


def fees_are_booked_once(session: Session) -> Iterator[str]:
    """I4: what a carriage cost is in the books exactly once, and whole among the spends it carried."""
    yield from session.execute(_FEES).scalars()


def numbers_are_given_once(session: Session) -> Iterator[str]:
    """I6: each number of a payer is one carriage, and none below its next is missing but those a person answered for.

    Whoever resumes a payer says which numbers are known.
    """
    yield from session.execute(_NUMBERS).scalars()


def only_attempts_are_carried(session: Session) -> Iterator[str]:
    """I7: every spend that is carried was composed for a withdrawal or a return, byte for byte as it was signed."""
    yield from session.execute(_LOADS).scalars()


_FEES: Final = text(
    """
    SELECT 'carriage ' || c.id || ' cost ' || c.fee_units || ' and that is not booked once' FROM carriages c
    JOIN payers p ON p.chain = c.chain AND p.account = c.account
    WHERE c.fee_units IS NOT NULL AND 1 <> (
      SELECT count(*) FROM payer_bookings b
      WHERE b.chain = c.chain AND b.vault_id = p.vault_id AND b.direction = 'out' AND b.txid = c.txid AND b.booked
        AND b.units = c.fee_units)
    UNION ALL
    SELECT 'fee of ' || b.txid || ' is in the books ' || paid.times || ' times' FROM payer_bookings b
    CROSS JOIN LATERAL (
      SELECT count(*) AS times FROM journal_entries e
      JOIN postings t ON t.entry_id = e.id JOIN ledger_accounts a ON a.id = t.account_id
      WHERE e.subject = 'payer:out:' || b.txid || ':' || b.position AND e.reason = 'network_fee_paid'
        AND a.kind = 'onchain' AND a.owner = b.vault_id AND t.units = b.units
        AND NOT EXISTS (SELECT FROM journal_entries r WHERE r.reverses = e.id)) paid
    WHERE b.direction = 'out' AND paid.times <> CASE WHEN b.booked THEN 1 ELSE 0 END
    UNION ALL
    SELECT 'entry ' || e.id || ' pays a fee of ' || e.subject || ', which is no carriage''s' FROM journal_entries e
    WHERE e.reason = 'network_fee_paid' AND NOT EXISTS (SELECT FROM journal_entries r WHERE r.reverses = e.id)
      AND NOT EXISTS (
        SELECT FROM carriages c WHERE c.fee_units IS NOT NULL AND e.subject LIKE 'payer:out:' || c.txid || ':%')
    UNION ALL
    SELECT 'carriage ' || c.id || ' cost ' || c.fee_units || ' and ' || shared.units || ' is shared' FROM carriages c
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(s.fee_units), 0) AS units, count(s.fee_units) AS spends FROM carriage_shares s
      WHERE s.carriage_id = c.id) shared
    CROSS JOIN LATERAL (
      SELECT CASE WHEN jsonb_array_length(v.spends) = 0 THEN 0 ELSE c.fee_units END AS units FROM carriage_variants v
      WHERE v.carriage_id = c.id AND v.txid = c.txid) whole
    WHERE (c.state = 'confirmed' AND shared.units <> whole.units) OR (c.state <> 'confirmed' AND shared.spends > 0)
    UNION ALL
    SELECT 'spend ' || s.spend || ' billed ' || s.billed_units || ' and the books say ' || said.units
    FROM carriage_shares s CROSS JOIN LATERAL (
      SELECT coalesce(sum(t.units), 0) AS units FROM journal_entries e
      JOIN postings t ON t.entry_id = e.id JOIN ledger_accounts a ON a.id = t.account_id
      WHERE e.subject = s.carriage_id || ':' || s.spend AND e.reason = 'gas_billed' AND a.kind = 'receivable'
        AND NOT EXISTS (SELECT FROM journal_entries r WHERE r.reverses = e.id)) said
    WHERE abs(said.units) <> s.billed_units
    ORDER BY 1
    """
)

_NUMBERS: Final = text(
    """
    SELECT 'payer ' || p.account || ' has nothing under its number ' || given.number FROM payers p
    CROSS JOIN LATERAL (
      SELECT coalesce(max((e.facts ->> field.name)::bigint), 0) AS number
      FROM (VALUES ('payer.registered', 'first_number'), ('payer.resumed', 'next_number')) AS field (event, name)
      JOIN audit_events e ON e.event = field.event AND e.subject = p.account) known
    CROSS JOIN LATERAL generate_series(known.number, p.next_number - 1) AS given (number)
    WHERE NOT EXISTS (
      SELECT FROM carriages c WHERE c.chain = p.chain AND c.account = p.account AND c.number = given.number)
    UNION ALL
    SELECT 'carriage ' || c.id || ' has number ' || c.number || ', which was not given yet' FROM carriages c
    JOIN payers p ON p.chain = c.chain AND p.account = c.account WHERE c.number >= p.next_number
    UNION ALL
    SELECT 'number ' || number || ' of payer ' || account || ' is several carriages' FROM carriages
    GROUP BY chain, account, number HAVING count(*) > 1
    ORDER BY 1
    """
)

_LOADS: Final = text(
    """
    SELECT 'spend ' || l.spend || ' is carried and is no attempt''s' FROM loads l
    WHERE NOT EXISTS (SELECT FROM attempts a WHERE a.chain = l.chain AND a.txid = l.spend AND a.final = l.final)
      AND NOT EXISTS (SELECT FROM returns r WHERE r.chain = l.chain AND r.spend = l.spend AND r.final = l.final)
    ORDER BY 1
    """
)
