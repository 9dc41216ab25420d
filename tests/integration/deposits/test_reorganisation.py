"""Deposits whose block left the best chain."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from custody.audit import queries as audit
from custody.clients import queries as clients
from custody.db.unit import DatabaseUnavailable
from custody.deposits import queries
from custody.deposits.operations import advance
from custody.deposits.states import DepositState
from custody.kernel.money import Amount
from custody.ledger import operations as ledger
from custody.ledger.queries import balances
from custody.movements import queries as movements
from custody.movements.operations import record_block
from tests.integration.deposits.world import ASSET, CHAIN, World


def states(world: World) -> list[DepositState]:
    return [deposit.state for deposit in world.deposits()]


def test_a_deposit_removed_before_credit_comes_back_as_the_same_row(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.node.send(world.address("acme", vault).address, 150_000_000)
    world.mine(3)
    (first,) = world.deposits()
    world.node.reorg(3)
    world.settle()
    (orphaned,) = world.deposits()
    assert (orphaned.state, orphaned.height, orphaned.mined_at) == (DepositState.ORPHANED, None, None)
    world.watch()
    assert states(world) == [DepositState.SEEN]
    world.mine(5)
    assert world.available("acme") == 0
    world.mine()
    (credited,) = world.deposits()
    assert (credited.id, credited.state, credited.occurrence) == (first.id, DepositState.CREDITED, 1)
    assert world.available("acme") == 150_000_000
    with world.db.unit() as unit:
        assert clients.get(unit.session, client="acme").status == "active"
        assert audit.alarms(unit.session) == []
        assert [move.to_state for move in queries.transitions(unit.session, deposit=first.id)] == [
            "confirming",
            "orphaned",
            "seen",
            "confirming",
            "credited",
        ]
    world.expect_invariants()


def test_a_credited_deposit_that_is_mined_again_is_credited_again(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.node.send(world.address("acme", vault).address, 400_000)
    world.mine()
    assert world.available("acme") == 400_000
    world.node.reorg(1)
    world.settle()
    assert (states(world), world.available("acme")) == ([DepositState.ORPHANED], 0)
    world.mine()
    (deposit,) = world.deposits()
    assert (deposit.state, deposit.occurrence, world.available("acme")) == (DepositState.CREDITED, 2, 400_000)
    with world.db.unit() as unit:
        assert clients.get(unit.session, client="acme").status == "frozen"
    world.expect_invariants()


def test_a_deficit_becomes_that_clients_receivable(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.node.send(world.address("acme", vault).address, 400_000)
    world.mine()
    with world.db.unit() as unit:
        ledger.hold(
            unit.session,
            hold_id="hld_1",
            client="acme",
            amount=Amount(ASSET, 300_000),
            subject="wdr_1",
            actor="test",
            now=unit.now,
        )
    world.node.reorg(1)
    world.settle()
    with world.db.unit() as unit:
        (balance,) = balances(unit.session, client="acme")
    assert (balance.available, balance.held, balance.receivable) == (0, 300_000, 300_000)
    world.expect_invariants()


def test_dust_and_quarantined_deposits_leave_the_suspense_account(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.node.send(world.address("acme", vault).address, 600)
    world.node.send(world.change_address(vault).address, 50_000)
    world.mine()
    assert world.suspense(vault) == 50_600
    world.node.reorg(1)
    world.settle()
    assert (world.suspense(vault), set(states(world))) == (0, {DepositState.ORPHANED})
    world.mine()
    assert world.suspense(vault) == 50_600
    with world.db.unit() as unit:
        assert clients.get(unit.session, client="acme").status == "active"
    world.expect_invariants()


def test_waits_while_a_settled_payment_still_counts_on_its_coins(world: World) -> None:
    vault = world.open("acme", branch=1)
    other = world.open("birch", branch=2)
    for client, its_vault in (("acme", vault), ("birch", other)):
        world.node.send(world.address(client, its_vault).address, 400_000)
    world.mine()
    hold = {"hold_id": "hld_1", "actor": "test"}
    with world.db.unit() as unit:
        amount = Amount(ASSET, 400_000)
        ledger.hold(unit.session, client="acme", amount=amount, subject="wdr_1", now=unit.now, **hold)
        ledger.settle_hold(unit.session, vault=vault, paid=amount, now=unit.now, **hold)
    world.node.reorg(1)
    world.settle()
    unbacked, reversed_one = sorted(world.deposits(), key=lambda deposit: not deposit.is_unbacked)
    assert (unbacked.client, unbacked.state, unbacked.is_unbacked) == ("acme", DepositState.CREDITED, True)
    assert (reversed_one.client, reversed_one.state) == ("birch", DepositState.ORPHANED)
    with world.db.unit() as unit:
        assert clients.get(unit.session, client="acme").status == "frozen"
        ledger.reverse_settlement(unit.session, now=unit.now, **hold)
    world.advance()
    assert set(states(world)) == {DepositState.ORPHANED}
    with world.db.unit() as unit:
        events = unit.session.execute(text("SELECT subject FROM audit_events WHERE event = 'client.frozen'"))
        assert sorted(events.scalars()) == ["acme", "birch"]
    world.expect_ledger()


def test_two_workers_advancing_at_once_credit_once(world: World) -> None:
    world.settle()
    vault = world.open("acme", branch=1)
    for _ in range(4):
        world.node.send(world.address("acme", vault).address, 300_000)
    world.node.mine()
    world.scan()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: world.advance(), range(4)))
    assert sum(len(result.booked) for result in results) == 4
    assert world.available("acme") == 1_200_000
    world.expect_invariants()


def test_no_block_is_recorded_or_undone_while_deposits_are_booked(world: World) -> None:
    world.node.mine()
    world.scan()
    world.node.mine()
    with world.db.unit() as unit:
        before = queries.every(unit.session)
        advance(unit.session, chain=CHAIN, config=world.rules, actor="test", now=unit.now)
        tip = movements.tip(unit.session, chain=CHAIN)
        assert tip is not None
        block = world.reader.block(world.node.rpc("getblockhash", tip.height + 1))
        with pytest.raises(DatabaseUnavailable), world.db.unit() as other:
            other.session.execute(text("SET LOCAL lock_timeout = '200ms'"))
            record_block(
                other.session,
                chain=CHAIN,
                block=block,
                expected_tip=tip,
                assets=[ASSET],
                has_coins=True,
                now=other.now,
            )
    assert world.scan().recorded == 1
    assert world.deposits() == before


def test_the_database_itself_keeps_what_arrived(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.open("birch", branch=2)
    world.node.send(world.address("acme", vault).address, 300_000)
    world.mine()
    for change in ("units = 1", "client_id = 'birch'", "vault_id = 'other'"):
        with pytest.raises(Exception, match="never changes"), world.db.unit() as unit:
            unit.session.execute(text(f"UPDATE deposits SET {change}"))
    with pytest.raises(Exception, match="permission denied"), world.db.unit() as unit:
        unit.session.execute(text("UPDATE deposit_transitions SET actor = 'me'"))
