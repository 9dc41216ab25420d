"""Each check must see what it is there to see: the damage is done with every guard switched off."""

from __future__ import annotations

import pytest

from custody.ledger.model import Reason
from tests.integration.ledger.books import ASSET, Books, account, moving, transfer

LAST = "(SELECT max(id) FROM journal_entries)"


@pytest.fixture
def damaged(broken_books: Books) -> Books:
    """Books with something of everything in them, to be damaged."""
    books = broken_books
    books.credit("dep_1", "cli_a", 100)
    books.credit("dep_2", "cli_b", 100)
    books.hold("hld_1", "cli_a", 10)
    books.hold("hld_2", "cli_a", 20)
    books.settle("hld_2", 15)
    books.hold("hld_3", "cli_a", 5)
    books.void("hld_3")
    books.undo("dep_2", "cli_b", 100)
    books.post(transfer("k1", "cli_a", "cli_b", 3))
    assert books.violations() == []
    return books


@pytest.mark.parametrize(
    ("invariant", "statement"),
    [
        ("I1", f"DELETE FROM postings WHERE leg = 1 AND entry_id = {LAST}"),
        ("I1", f"UPDATE postings SET units=2, new_balance = previous_balance + 2 WHERE entry_id = {LAST} AND leg = 2"),
        ("I1", "UPDATE ledger_accounts SET balance = balance + 1 WHERE kind = 'available' AND owner = 'cli_a'"),
        ("I1", "UPDATE ledger_accounts SET version = version + 1 WHERE kind = 'onchain'"),
        ("I1", f"UPDATE postings SET version = version + 9 WHERE entry_id = {LAST} AND leg = 1"),
        ("I1", "GRANT UPDATE ON postings TO custody_app"),
        ("I1", "GRANT UPDATE (actor) ON journal_entries TO custody_app"),
        ("I1", "GRANT INSERT ON postings TO custody_app"),
        ("I1", "GRANT DELETE ON audit_events TO custody_app"),
        ("I1", "GRANT UPDATE (balance) ON ledger_accounts TO custody_app"),
        ("I1", "DROP TRIGGER append_only ON journal_entries"),
        ("I1", "DROP TRIGGER append_only ON audit_events"),
        ("I1", "DROP TRIGGER check_entry ON journal_entries"),
        ("I1", "DROP TRIGGER check_batch ON journal_batches"),
        ("I1", "ALTER TABLE postings DISABLE TRIGGER append_only"),
        ("I1", "ALTER TABLE postings DISABLE TRIGGER ALL"),
        ("I1", "ALTER TABLE ledger_accounts DROP CONSTRAINT ck_ledger_accounts_sign"),
        ("I1", "DROP TRIGGER check_postings ON postings"),
        ("I1", "ALTER TABLE postings DROP CONSTRAINT pk_postings"),
        ("I1", "GRANT custody_owner TO custody_app"),
        ("I1", "ALTER FUNCTION ledger_lock RESET search_path"),
        ("I3", "UPDATE holds SET units = units - 1 WHERE id = 'hld_1'"),
        ("I3", "DELETE FROM holds WHERE id = 'hld_1'"),
        ("I5", "UPDATE journal_entries SET authorised_by = '{}' WHERE reason = 'internal_transfer'"),
        ("I5", "UPDATE journal_entries SET reason = 'hold_released' WHERE reason = 'hold'"),
        ("I5", "UPDATE journal_entries SET reason = 'generosity' WHERE reason = 'hold'"),
        ("I5", "UPDATE ledger_reasons SET one_client = false WHERE reason = 'hold'"),
        ("I5", "DELETE FROM ledger_reasons WHERE reason = 'capital_added'"),
        ("I10", "ALTER TABLE journal_entries DROP CONSTRAINT uq_journal_entries_key"),
        ("I10", "UPDATE holds SET ceiling = ceiling + 1 WHERE id = 'hld_1'"),
        ("I10", "UPDATE holds SET settled_units = settled_units - 1 WHERE id = 'hld_2'"),
        ("I10", "UPDATE journal_entries SET key = 'x' WHERE key = 'hld_3:voided'"),
        ("I13", "UPDATE journal_entries SET reason = 'deposit_credited' WHERE reason = 'deposit_reversed'"),
        ("I13", "UPDATE journal_entries SET reverses = 3 WHERE reason = 'deposit_reversed'"),
    ],
)  # fmt: skip
def test_sees_the_damage(damaged: Books, invariant: str, statement: str) -> None:
    try:
        damaged.break_by(statement)
        assert invariant in {violation.invariant for violation in damaged.violations()}
    finally:
        if "custody_owner" in statement:
            damaged.break_by("REVOKE custody_owner FROM custody_app")


def test_sees_a_key_that_made_two_entries(damaged: Books) -> None:
    damaged.break_by(
        "ALTER TABLE journal_entries DROP CONSTRAINT uq_journal_entries_key",
        "UPDATE journal_entries SET key = 'twice' WHERE reason = 'hold'",
    )
    assert any("several" in violation.detail for violation in damaged.violations())


@pytest.mark.parametrize("where", ["kind = 'available' AND owner = 'cli_a'", "kind = 'held' AND owner = 'cli_a'"])
def test_sees_a_liability_below_zero(damaged: Books, where: str) -> None:
    damaged.break_by(
        "ALTER TABLE ledger_accounts DROP CONSTRAINT ck_ledger_accounts_sign",
        f"UPDATE ledger_accounts SET balance = -1 WHERE {where}",
    )
    assert "I2" in {violation.invariant for violation in damaged.violations()}


def test_sees_a_vault_above_zero_that_once_was(damaged: Books) -> None:
    damaged.break_by(
        "ALTER TABLE postings DROP CONSTRAINT ck_postings_line",
        "UPDATE postings SET new_balance = 1 FROM ledger_accounts a WHERE a.id = account_id AND a.kind = 'onchain'"
        " AND postings.version = 1",
    )
    assert "I2" in {violation.invariant for violation in damaged.violations()}


def test_sees_a_credit_that_is_in_force_twice(damaged: Books) -> None:
    again = moving(
        "again", account("onchain", "vlt_a", ASSET), account("available", "cli_a", ASSET), 100,
        reason=Reason.DEPOSIT_CREDITED,
    )  # fmt: skip
    damaged.post(again)
    damaged.break_by("UPDATE journal_entries SET subject = 'dep_1' WHERE key = 'again'")
    assert {violation.invariant for violation in damaged.violations()} == {"I13"}
