"""Every invariant a database can show turns red when the database is made to lie, and only then."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.orm import Session

from custody.chains.bitcoin.offline.fees import FeeCaps
from custody.chains.bitcoin.terms import BitcoinTerms
from custody.reconciliation.invariants import check_invariants
from custody.reconciliation.stuck import Deadlines, raise_stuck_alarms, stuck
from custody.withdrawals.states import State
from tests.integration.reconciliation.stage import Stage
from tests.support.servers import FreshDatabase


@pytest.fixture
def busy(stage: Stage) -> Stage:
    """One payment completed after approval by two, one denied, dust, and a pool."""
    stage.open("acme")
    stage.open("birch")
    stage.open("cedar")
    stage.deposit("acme", 700)
    stage.fund("acme")
    stage.fund("cedar", 3_000_000)
    paid = stage.request("acme", 6_000_000)
    stage.approve(paid.digest, "alice", "bob")
    stage.mark_approved(paid.id)
    stage.compose(paid.id)
    stage.sign(paid.id)
    stage.send(paid.id)
    stage.mine(2)
    assert stage.get(paid.id).state is State.COMPLETED
    stage.reconcile()
    return stage


def broken(stage: Stage) -> set[str]:
    return {name for name, holds in stage.check().results.items() if not holds}


def _check_within(stage: Stage, connection: Connection) -> set[str]:
    """What is red in a transaction that is still open. A proof cached for other bytes must not hide a lie."""
    session = Session(connection, join_transaction_mode="rollback_only")
    deadlines = {stage.chain: Deadlines(600, 600, 600, 600, 600, 600, 600)}
    report = check_invariants(session, terms={stage.chain: stage.rules.terms}, deadlines=deadlines, now=stage.now())
    return {name for name, holds in report.results.items() if not holds}


CASES = [
    ("I1", "DELETE FROM postings WHERE entry_id = 1 AND leg = 1"),
    ("I1", "UPDATE ledger_accounts SET version = version + 1"),
    ("I1", "GRANT UPDATE ON postings TO custody_app"),
    (
        "I2",
        """ALTER TABLE ledger_accounts DROP CONSTRAINT ck_ledger_accounts_sign;
        UPDATE ledger_accounts SET balance = -1 WHERE kind = 'available'""",
    ),
    ("I3", "UPDATE holds SET state = 'pending', ended_at = NULL, settled_units = NULL"),
    ("I4", "UPDATE coins SET units = units + 1 WHERE spent_by IS NULL"),
    ("I4", "DELETE FROM coins WHERE spent_by IS NULL"),
    ("I5", "UPDATE journal_entries SET reason = 'pledge' WHERE reason = 'deposit_credited'"),
    ("I5", "UPDATE coins SET vault_id = (SELECT max(id) FROM vaults) WHERE spent_by IS NOT NULL"),
    ("I6", "UPDATE keysets SET threshold = 1"),
    ("I6", "UPDATE withdrawals SET state = 'cancelled'"),
    ("I7", "UPDATE attempts SET final = substring(final FROM 1 FOR length(final) - 1)"),
    ("I7", "UPDATE attempts SET fee_units = fee_units + 1"),
    ("I7", "UPDATE addresses SET state = 'burned' WHERE change AND state = 'issued'"),
    ("I8", "DELETE FROM approvals WHERE approver = 'bob'"),
    ("I8", "UPDATE approvals SET document = jsonb_set(document, '{statement,verdict}', '\"reject\"')"),
    ("I8", "UPDATE intents SET document = jsonb_set(document, '{request,amount}', '\"1\"') WHERE kind = 'withdrawal'"),
    ("I8", "UPDATE intents SET request_signature = jsonb_set(request_signature, '{signature}', '\"00\"')"),
    ("I10", "UPDATE withdrawals SET destination = 'bcrt1qelsewhere'"),
    ("I10", "DELETE FROM holds"),
    ("I11", "UPDATE audit_events SET actor = 'nobody' WHERE sequence = 2"),
    ("I11", "DELETE FROM audit_events WHERE sequence = 3"),
    (
        "I11",
        """INSERT INTO withdrawal_transitions SELECT subject, 99, from_state, 'failed', event, actor, at
        FROM withdrawal_transitions LIMIT 1""",
    ),
    ("I11", "DELETE FROM events WHERE kind = 'withdrawal' AND event = 'signed'"),
    ("I11", "DELETE FROM events WHERE kind = 'deposit' AND event = 'credited'"),
    ("I11", "UPDATE events SET data = jsonb_set(data, '{status}', '\"failed\"') WHERE event = 'completed'"),
    ("I11", "UPDATE events SET sequence = sequence + 1000 WHERE kind = 'withdrawal' AND event = 'completed'"),
    ("I11", "UPDATE events SET version = version + 1 WHERE kind = 'withdrawal' AND event = 'completed'"),
    ("I13", "UPDATE deposits SET units = units + 1 WHERE state = 'credited'"),
    ("I13", "UPDATE movements SET units = units + 1 WHERE direction = 'in'"),
    ("I15", "UPDATE keysets SET document = jsonb_set(document, '{threshold}', '3')"),
    ("I15", "UPDATE addresses SET address = 'bcrt1qsomebodyelse' WHERE state = 'issued'"),
    ("I16", "UPDATE withdrawals SET max_fee_units = 1"),
    (
        "I18",
        """UPDATE intents SET not_before = NULL;
        UPDATE withdrawals SET state = 'broadcast', state_since = now() - interval '1 day'""",
    ),
    (
        "I20",
        """INSERT INTO breaks SELECT 'brk_x', r.id, v.id, 'a', 'c', 1, 2, 'd', now()
        FROM reconciliation_runs r, vaults v LIMIT 1""",
    ),
]


def test_holds_on_an_honest_database(busy: Stage) -> None:
    report = busy.check()
    assert report.holds, report.to_json()
    assert list(report.results) == [
        *("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I10", "I11", "I13", "I15", "I16", "I18", "I20")
    ]
    assert busy.table().is_balanced


def test_turns_red_for_every_lie(busy: Stage, database: FreshDatabase) -> None:
    """Each lie is told and taken back, in one transaction nobody else sees."""
    missed = []
    engine = create_engine(database.superuser_url)
    for wanted, statement in CASES:
        with engine.connect() as connection, connection.begin() as unit:
            connection.execute(text("SET session_replication_role = replica"))
            assert connection.execute(text(statement)).rowcount != 0, statement
            found = _check_within(busy, connection)
            if wanted not in found:
                missed.append((wanted, statement, found))
            unit.rollback()
    engine.dispose()
    assert missed == []
    assert broken(busy) == set()


def test_is_red_for_a_fee_above_a_cap(busy: Stage) -> None:
    terms = busy.rules.terms
    assert isinstance(terms, BitcoinTerms)
    with busy.db.unit() as unit:
        report = check_invariants(
            unit.session, terms={busy.chain: replace(terms, caps=FeeCaps(100, 10_000_000, 10_000))}
        )
    assert not report.results["I16"]
    assert "I18" not in report.results


def test_lists_what_is_past_its_deadline_once(stage: Stage) -> None:
    stage.open("acme")
    stage.fund("acme")
    waiting = stage.request("acme", 6_000_000)
    stage.deposit("acme", 5_000_000)
    stage.mine(1)
    with stage.db.unit() as unit:
        never = Deadlines(9999, 9999, 9999, 9999, 9999, 9999, 9999, message=9999)
        assert stuck(unit.session, deadlines={stage.chain: never}, now=unit.now) == []
        now = Deadlines(-1, -1, -1, -1, -1, -1, -1, message=-1)
        rows = stuck(unit.session, deadlines={stage.chain: now}, now=unit.now)
    found = {(row.kind, row.state) for row in rows}
    assert {("withdrawal", "pending_approval"), ("deposit", "confirming"), ("message", "waiting")} <= found
    (row,) = (row for row in rows if row.kind == "withdrawal")
    assert (row.id, row.why) == (waiting.id, "waits for people's approval")
    with stage.db.unit() as unit:
        assert raise_stuck_alarms(unit.session, rows=rows, now=unit.now) == len(rows)
    with stage.db.unit() as unit:
        assert raise_stuck_alarms(unit.session, rows=rows, now=unit.now) == 0
    assert ("stuck", waiting.id) in stage.alarms()


def test_lists_a_bundle_no_cosigner_answers_and_an_opening_nobody_approves(stage: Stage) -> None:
    stage.open("acme")
    stage.fund("acme")
    paid = stage.request("acme", 1_000_000)
    stage.compose(paid.id)
    stage.ask_to_open("birch")
    with stage.db.unit() as unit:
        rows = stuck(unit.session, deadlines={stage.chain: Deadlines(-1, -1, -1, -1, -1, -1, -1)}, now=unit.now)
    assert {row.why for row in rows if row.kind == "bundle"} == {"0 of 2 cosigners have signed"}
    assert {row.why for row in rows if row.kind == "intent"} == {"client_opening waits for people's approval"}
