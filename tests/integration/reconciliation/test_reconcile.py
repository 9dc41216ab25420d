"""Node, index and ledger at one block; what is in flight is named, what is not explained stops the vault."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text

from custody.reconciliation import queries
from custody.reconciliation.model import RunResult
from custody.vaults import queries as vaults
from custody.withdrawals.operations import VaultStopped
from custody.withdrawals.states import State
from tests.integration.reconciliation.stage import Stage
from tests.support.servers import FreshDatabase


def kinds(run: RunResult) -> list[str]:
    return [item.kind for vault in run.snapshots[0].vaults for item in vault.in_flight]


def test_balances_an_empty_house(stage: Stage) -> None:
    run = stage.reconcile()
    assert run.is_balanced
    assert stage.check().holds


def test_names_a_deposit_at_every_stage(stage: Stage) -> None:
    stage.open("acme")
    stage.deposit("acme", 20_000_000)
    assert kinds(stage.reconcile()) == []
    stage.node.mine()
    stage.scan()
    first = stage.reconcile()
    assert (first.is_balanced, kinds(first)) == (True, ["arrival not taken up yet"])
    stage.settle()
    second = stage.reconcile()
    assert (second.is_balanced, kinds(second)) == (True, ["deposit confirming"])
    stage.mine(2)
    third = stage.reconcile()
    assert (third.is_balanced, kinds(third)) == (True, [])
    assert third.snapshots[0].vaults[0].onchain == 20_000_000
    assert stage.check().results == dict.fromkeys(stage.check().results, True)


def test_names_a_payment_at_every_stage(stage: Stage) -> None:
    stage.open("acme")
    stage.fund("acme", 20_000_000)
    paid = stage.request("acme", 4_000_000)
    assert stage.reconcile().is_balanced
    stage.compose(paid.id)
    assert stage.reconcile().is_balanced
    stage.sign(paid.id)
    assert stage.reconcile().is_balanced
    stage.send(paid.id)
    assert stage.reconcile().is_balanced
    stage.node.mine()
    stage.scan()
    run = stage.reconcile()
    assert (run.is_balanced, kinds(run)) == (True, ["payment confirmed, not settled"])
    stage.settle()
    assert kinds(stage.reconcile()) == ["payment confirmed, not settled"]
    assert stage.get(paid.id).state is State.CONFIRMED
    stage.mine(2)
    assert stage.get(paid.id).state is State.COMPLETED
    run = stage.reconcile()
    assert (run.is_balanced, kinds(run)) == (True, [])
    fee = stage.get(paid.id).fee_units
    assert fee is not None
    assert run.snapshots[0].vaults[0].chain_units == 20_000_000 - 4_000_000 - fee
    report = stage.check()
    assert report.holds, report.to_json()
    (row,) = stage.table().clients
    assert row.to_json() == {
        "name": "Acme",
        "asset": "BTC",
        "deposited": "20000000",
        "withdrawn": "4000000",
        "fees": str(fee),
        "available": str(16_000_000 - fee),
        "held": "0",
        "on_chain": str(16_000_000 - fee),
        "difference": "0",
    }
    assert stage.reconcile(ranged=True).is_balanced


def test_finds_one_satoshi_nobody_can_explain(stage: Stage, database: FreshDatabase) -> None:
    """P-104: the vault stops in the same unit: what was approved waits, what is asked is denied, no other stops."""
    stage.open("acme")
    stage.open("birch")
    stage.fund("acme")
    stage.fund("birch")
    waiting = stage.request("acme", 4_000_000)
    _tamper(database, f"UPDATE ledger_accounts SET balance = balance + 1 WHERE owner = '{stage.vault('acme')}'")
    run = stage.reconcile()
    assert {(found.vault, found.check) for found in run.breaks} >= {(stage.vault("acme"), "ledger-is-the-chain")}
    with stage.db.unit() as unit:
        acme = vaults.get(unit.session, vault=stage.vault("acme"))
        assert acme.frozen_reason == "break"
        assert queries.open_breaks(unit.session)
    assert ("reconciliation-break", stage.vault("acme")) in stage.alarms()
    with pytest.raises(VaultStopped, match="frozen: break"):
        stage.compose(waiting.id)
    assert stage.get(waiting.id).state is State.APPROVED
    assert stage.request("acme", 4_000_000, key="after").state is State.DENIED


def test_stops_the_vault_a_payment_left_that_nobody_ordered(stage: Stage) -> None:
    """P-104: a transaction with a quorum's signatures but no withdrawal takes money out of the vault."""
    stage.open("acme")
    stage.open("birch")
    stage.fund("acme")
    stage.fund("birch")
    stage.steal("acme")
    stage.mine()
    run = stage.reconcile()
    assert {found.vault for found in run.breaks} == {stage.vault("acme")}
    assert "ledger-is-the-chain" in {found.check for found in run.breaks}
    assert stage.request("acme", 1_000_000).state is State.DENIED
    assert stage.request("birch", 1_000_000).state is State.APPROVED
    report = stage.check()
    assert report.results["I20"]
    assert not report.results["I4"]
    (row, other) = stage.table().clients
    assert row.difference < 0
    assert other.difference == 0


def test_writes_the_same_break_once(stage: Stage) -> None:
    stage.open("acme")
    stage.fund("acme")
    stage.steal("acme")
    stage.mine()
    stage.reconcile()
    with stage.db.unit() as unit:
        first = queries.open_breaks(unit.session)
    stage.reconcile()
    with stage.db.unit() as unit:
        assert queries.open_breaks(unit.session) == first


def test_misses_a_deposit_row_that_was_taken_away(stage: Stage, database: FreshDatabase) -> None:
    stage.open("acme")
    stage.deposit("acme", 20_000_000)
    stage.mine()
    _tamper(database, "TRUNCATE deposits CASCADE")
    run = stage.reconcile()
    assert "ledger-is-the-chain" in {found.check for found in run.breaks}


def test_misses_a_coin_that_was_never_indexed(stage: Stage, database: FreshDatabase) -> None:
    stage.open("acme")
    stage.fund("acme")
    _tamper(database, "DELETE FROM coins")
    run = stage.reconcile()
    assert [found.check for found in run.breaks] == ["coins-are-the-nodes", "movements-are-the-coins"]
    assert "is not indexed" in run.breaks[0].detail


def test_finds_by_range_what_our_table_of_scripts_forgot(stage: Stage, database: FreshDatabase) -> None:
    stage.open("acme")
    address = stage.address("acme")
    stage.node.send(address.address, 20_000_000)
    stage.mine(6)
    _tamper(database, f"DELETE FROM coins; DELETE FROM movements; DELETE FROM addresses WHERE id = {address.id}")
    run = stage.reconcile(ranged=True)
    assert (run.snapshots[0].vaults[0].chain_units, run.snapshots[0].vaults[0].indexed_units) == (20_000_000, 0)
    assert not run.is_balanced


def test_is_balanced_with_dust_in_suspense(stage: Stage) -> None:
    stage.open("acme")
    stage.deposit("acme", 600)
    stage.mine(6)
    run = stage.reconcile()
    assert run.is_balanced
    assert (run.snapshots[0].vaults[0].suspense, run.snapshots[0].vaults[0].chain_units) == (600, 600)
    (row,) = stage.table().clients
    assert (row.available, row.on_chain, row.difference) == (0, 600, 0)


def test_gives_each_client_of_a_pool_its_share(stage: Stage) -> None:
    stage.open("cedar")
    stage.open("dune")
    stage.fund("cedar", 3_000_000)
    stage.fund("dune", 5_000_000)
    assert stage.reconcile().is_balanced
    table = stage.table()
    assert [(row.name, row.on_chain, row.difference) for row in table.clients] == [
        ("Cedar", 3_000_000, 0),
        ("Dune", 5_000_000, 0),
    ]
    (pool,) = table.pools
    assert (pool.clients, pool.on_chain, pool.difference) == (8_000_000, 8_000_000, 0)


def test_names_a_reorganised_deposit_until_it_is_taken_out_of_the_books(stage: Stage) -> None:
    stage.open("acme")
    stage.deposit("acme", 5_000_000)
    stage.mine(3)
    assert stage.reconcile().snapshots[0].vaults[0].onchain == 5_000_000
    stage.node.reorg(3)
    stage.scan()
    run = stage.reconcile()
    assert (run.is_balanced, kinds(run)) == (True, ["removal not taken up yet"])
    stage.settle()
    run = stage.reconcile()
    assert (run.is_balanced, kinds(run), run.snapshots[0].vaults[0].onchain) == (True, [], 0)
    assert stage.check().holds
    stage.mine(3)
    assert stage.reconcile().is_balanced


def test_names_a_reorganised_payment_until_it_is_reversed(stage: Stage) -> None:
    stage.open("acme")
    stage.fund("acme")
    paid = stage.request("acme", 4_000_000)
    stage.compose(paid.id)
    stage.sign(paid.id)
    stage.send(paid.id)
    stage.mine(2)
    assert stage.get(paid.id).state is State.COMPLETED
    stage.node.reorg(2)
    stage.scan()
    run = stage.reconcile()
    assert (run.is_balanced, kinds(run)) == (True, ["payment removed by a reorg, not reversed yet"])
    stage.settle()
    assert stage.get(paid.id).state is State.BROADCAST
    run = stage.reconcile()
    assert (run.is_balanced, kinds(run)) == (True, [])
    assert stage.check().holds
    stage.mine(2)
    assert stage.get(paid.id).state is State.COMPLETED
    assert stage.reconcile().is_balanced


def _tamper(database: FreshDatabase, statements: str) -> None:
    """As somebody with the superuser's password would, past every trigger."""
    engine = create_engine(database.superuser_url)
    with engine.begin() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        for statement in statements.split(";"):
            connection.execute(text(statement))
    engine.dispose()
