"""The ledger's part of ``custody invariants check``: what a live database shows of I1, I2, I3, I5, I10 and I13.

Every check is one statement, hence one snapshot, and reads facts that one unit writes together: it holds while
the system works. Nothing is written, nothing is locked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.ledger.reasons import RULES

APPLICATION_ROLE: Final = "custody_app"
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must not be. ``invariant`` is its id in the domain's table."""

    invariant: str
    detail: str


def check(session: Session) -> list[Violation]:
    """Everything below, in the order of the invariants; empty when the books are right."""
    return [
        *entries_balance(session),
        *accounts_match_postings(session),
        *books_are_append_only(session),
        *nothing_is_below_zero(session),
        *held_matches_holds(session),
        *reasons_permit_entries(session),
        *keys_are_unique(session),
        *holds_match_entries(session),
        *deposits_are_credited_once(session),
    ]


def entries_balance(session: Session) -> list[Violation]:
    """I1: every entry has all its legs and sums to zero per asset."""
    return _found(
        session,
        "I1",
        """
        SELECT 'entry ' || e.id || ' does not balance or lacks legs'
        FROM journal_entries e LEFT JOIN (
          SELECT entry_id, sum(lines) AS legs, bool_or(total <> 0) AS unbalanced
          FROM (SELECT p.entry_id, a.asset, count(*) AS lines, sum(p.units) AS total
                FROM postings p JOIN ledger_accounts a ON a.id = p.account_id GROUP BY 1, 2) per_asset
          GROUP BY entry_id) sums ON sums.entry_id = e.id
        WHERE sums.legs IS DISTINCT FROM e.legs OR sums.unbalanced
        """,
    )


def accounts_match_postings(session: Session) -> list[Violation]:
    """I1: a balance is the sum of its postings, a version their number, and each posting continues the last."""
    return _found(
        session,
        "I1",
        """
        SELECT 'account ' || a.id || ' (' || a.kind || ' ' || a.owner || ') is not the sum of its postings'
        FROM ledger_accounts a LEFT JOIN
          (SELECT account_id, sum(units) AS units, count(*) AS lines FROM postings GROUP BY 1) p ON p.account_id = a.id
        WHERE a.balance <> coalesce(p.units, 0) OR a.version <> coalesce(p.lines, 0)
        """,
    ) + _found(
        session,
        "I1",
        """
        SELECT 'posting ' || entry_id || '/' || leg || ' does not continue its account' FROM (
          SELECT entry_id, leg, previous_balance, new_balance, units, version,
            coalesce(lag(new_balance) OVER w, 0) AS before, row_number() OVER w AS place
          FROM postings WINDOW w AS (PARTITION BY account_id ORDER BY version)) lines
        WHERE previous_balance <> before OR version <> place OR new_balance <> previous_balance + units
        """,
    )


def books_are_append_only(session: Session) -> list[Violation]:
    """I1: the application's role cannot write the books but through their functions, nor change the audit log;
    every guard is there and switched on.
    """
    return [
        *_found(session, "I1", _RIGHTS, role=APPLICATION_ROLE),
        *_found(session, "I1", _GUARDS_MISSING),
        *_found(session, "I1", _GUARDS_OFF),
        *_found(session, "I1", _FUNCTIONS, role=APPLICATION_ROLE),
    ]


def nothing_is_below_zero(session: Session) -> list[Violation]:
    """I2: no liability below zero, no holding above it, in any committed balance there ever was."""
    return _found(
        session,
        "I2",
        """
        SELECT 'account ' || id || ' (' || kind || ' ' || owner || ') has the wrong sign'
        FROM ledger_accounts
        WHERE balance * CASE WHEN kind IN ('receivable', 'onchain', 'network_fees') THEN -1 ELSE 1 END < 0
        UNION ALL
        SELECT 'posting ' || p.entry_id || '/' || p.leg || ' left the wrong sign'
        FROM postings p JOIN ledger_accounts a ON a.id = p.account_id
        WHERE p.new_balance * CASE WHEN a.kind IN ('receivable', 'onchain', 'network_fees') THEN -1 ELSE 1 END < 0
        """,
    )


def held_matches_holds(session: Session) -> list[Violation]:
    """I3: what a client's ``held`` account has is what its pending holds say."""
    return _found(
        session,
        "I3",
        """
        SELECT 'held of ' || coalesce(a.owner, h.client) || ' is ' || coalesce(a.balance, 0)
          || ', its pending holds ' || coalesce(h.units, 0)
        FROM (SELECT owner, asset, balance FROM ledger_accounts WHERE kind = 'held') a
        FULL JOIN (SELECT client, asset, sum(units) AS units FROM holds WHERE state = 'pending' GROUP BY 1, 2) h
          ON h.client = a.owner AND h.asset = a.asset
        WHERE coalesce(a.balance, 0) <> coalesce(h.units, 0)
        """,
    )


def reasons_permit_entries(session: Session) -> list[Violation]:
    """I5: every entry moves only what its reason permits, with an authority where one is needed; and the
    database's table of reasons is the program's.
    """
    return _reasons_differ(session) + _found(
        session,
        "I5",
        """
        SELECT 'entry ' || e.id || ' is not what ' || e.reason || ' permits'
        FROM journal_entries e
        JOIN postings p ON p.entry_id = e.id
        JOIN ledger_accounts a ON a.id = p.account_id
        LEFT JOIN ledger_reasons r ON r.reason = e.reason
        GROUP BY e.id, e.reason, r.reason, r.one_client
        HAVING r.reason IS NULL
          OR bool_or(a.kind <> ALL (CASE WHEN p.units < 0 THEN r.falls ELSE r.rises END))
          OR bool_or(r.authority AND p.units < 0 AND a.sign > 0 AND NOT jsonb_exists(e.authorised_by, a.owner))
          OR (r.one_client AND count(DISTINCT a.owner)
                FILTER (WHERE a.kind IN ('available', 'held', 'pledged', 'receivable')) > 1)
        """,
    )


def keys_are_unique(session: Session) -> list[Violation]:
    """I10: no idempotency key made two entries, and the index that sees to it is in force."""
    return _found(
        session,
        "I10",
        """
        SELECT 'key of entry ' || min(id) || ' made several entries' FROM journal_entries
        GROUP BY key HAVING count(*) > 1
        UNION ALL
        SELECT 'the unique index on keys is missing' WHERE NOT EXISTS (
          SELECT FROM pg_index WHERE indexrelid = to_regclass('uq_journal_entries_key')
            AND indisunique AND indisvalid AND indislive)
        """,
    )


def holds_match_entries(session: Session) -> list[Violation]:
    """I10: every hold was posted under its own key, and so was what ended it, for the amount it says."""
    return _found(
        session,
        "I10",
        """
        SELECT 'hold ' || h.id || ' is ' || h.state || ' without the entry for it' FROM holds h
        WHERE NOT EXISTS (
            SELECT FROM journal_entries e JOIN postings p ON p.entry_id = e.id
            JOIN ledger_accounts a ON a.id = p.account_id
            WHERE e.key = h.id || '\\:held' AND a.kind = 'held' AND a.owner = h.client AND p.units = h.ceiling)
          OR (h.state = 'posted' AND NOT EXISTS (
            SELECT FROM journal_entries e JOIN postings p ON p.entry_id = e.id
            JOIN ledger_accounts a ON a.id = p.account_id
            WHERE e.key = h.id || ':settled:' || h.settlements AND a.kind = 'onchain' AND a.owner = h.vault
              AND p.units = h.settled_units))
          OR (h.state = 'voided' AND NOT EXISTS (SELECT FROM journal_entries WHERE key = h.id || '\\:voided'))
        """,
    )


def deposits_are_credited_once(session: Session) -> list[Violation]:
    """I13: per deposit at most one credit is in force, and a reversal takes exactly what it reverses out of the
    vault it went into.
    """
    return _found(
        session,
        "I13",
        """
        SELECT 'deposit ' || subject || ' is credited more than once' FROM journal_entries
        WHERE reason IN ('deposit_credited', 'deposit_reversed')
        GROUP BY subject HAVING sum(CASE reason WHEN 'deposit_credited' THEN 1 ELSE -1 END) NOT IN (0, 1)
        UNION ALL
        SELECT 'entry ' || r.id || ' does not undo entry ' || r.reverses
        FROM journal_entries r
        JOIN postings p ON p.entry_id IN (r.id, r.reverses)
        JOIN ledger_accounts a ON a.id = p.account_id AND a.kind = 'onchain'
        WHERE r.reverses IS NOT NULL
        GROUP BY r.id, r.reverses, a.id HAVING sum(p.units) <> 0
        """,
    )


def _reasons_differ(session: Session) -> list[Violation]:
    stored = {
        row.reason: (set(row.falls), set(row.rises), row.one_client, row.authority)
        for row in session.execute(text("SELECT * FROM ledger_reasons"))
    }
    ours = {
        reason.value: (
            {kind.value for kind in rule.falls}, {kind.value for kind in rule.rises}, rule.one_client, rule.authority,
        )
        for reason, rule in RULES.items()
    }  # fmt: skip
    differing = sorted(reason for reason in stored.keys() | ours.keys() if stored.get(reason) != ours.get(reason))
    return [Violation("I5", f"reason {reason} differs between database and program") for reason in differing]


def _found(session: Session, invariant: str, statement: str, **parameters: str) -> list[Violation]:
    rows = session.execute(text(statement), parameters).scalars().fetchmany(_SHOWN)
    return [Violation(invariant, str(detail)) for detail in rows]


_RIGHTS: Final = """
SELECT :role || ' may ' || wanted.right || ' ' || wanted.table
FROM (SELECT books.table, r.right
      FROM unnest(ARRAY['journal_entries', 'journal_batches', 'postings', 'ledger_accounts',
                        'ledger_reasons']) AS books ("table"),
           unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS r ("right")
      UNION ALL
      SELECT 'audit_events', r.right FROM unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS r ("right")
      UNION ALL
      SELECT 'holds', r.right FROM unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) AS r ("right")
     ) wanted
WHERE CASE WHEN wanted.right IN ('INSERT', 'UPDATE')
  THEN has_any_column_privilege(:role, wanted.table, wanted.right)
  ELSE has_table_privilege(:role, wanted.table, wanted.right) END
"""

_GUARDS_MISSING: Final = """
SELECT 'guard ' || wanted.name || ' of ' || wanted.on_table || ' is missing'
FROM (VALUES
  ('journal_entries', 'append_only'), ('journal_entries', 'append_only_truncate'), ('journal_entries', 'check_entry'),
  ('journal_batches', 'append_only'), ('journal_batches', 'append_only_truncate'), ('journal_batches', 'check_batch'),
  ('postings', 'append_only'), ('postings', 'append_only_truncate'), ('postings', 'check_postings'),
  ('ledger_accounts', 'check_account'), ('ledger_accounts', 'keep_name'), ('ledger_accounts', 'keep_account'),
  ('ledger_accounts', 'keep_account_truncate'),
  ('audit_events', 'append_only'), ('audit_events', 'append_only_truncate')) AS wanted (on_table, name)
WHERE NOT EXISTS (SELECT FROM pg_trigger t
                  WHERE t.tgrelid = wanted.on_table::regclass AND t.tgname = wanted.name)
UNION ALL
SELECT 'constraint ' || wanted.name || ' of ' || wanted.on_table || ' is missing'
FROM (VALUES
  ('ledger_accounts', 'ck_ledger_accounts_sign'), ('ledger_accounts', 'uq_ledger_accounts_name'),
  ('journal_entries', 'uq_journal_entries_key'), ('postings', 'pk_postings'),
  ('postings', 'uq_postings_account_id_version'), ('postings', 'ck_postings_line')
  ) AS wanted (on_table, name)
WHERE NOT EXISTS (SELECT FROM pg_constraint c
                  WHERE c.conrelid = wanted.on_table::regclass AND c.conname = wanted.name AND c.convalidated)
"""

_GUARDS_OFF: Final = """
SELECT 'guard ' || t.tgname || ' of ' || t.tgrelid::regclass || ' is switched off'
FROM pg_trigger t
WHERE t.tgrelid = ANY (ARRAY['journal_entries', 'postings', 'ledger_accounts', 'audit_events']::regclass[])
  AND t.tgenabled NOT IN ('O', 'A')
"""

_FUNCTIONS: Final = """
SELECT :role || ' is a superuser' FROM pg_roles WHERE rolname = :role AND rolsuper
UNION ALL
SELECT :role || ' belongs to the owner of ' || relname FROM pg_class
WHERE oid = ANY (ARRAY['journal_entries', 'postings', 'ledger_accounts', 'audit_events']::regclass[])
  AND pg_has_role(:role, relowner, 'MEMBER')
UNION ALL
SELECT 'function ' || p.oid::regprocedure || ' has no fixed search_path' FROM pg_proc p
WHERE p.proname LIKE 'ledger\\_%' AND p.prosecdef
  AND NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, public, pg_temp'], false)
"""
