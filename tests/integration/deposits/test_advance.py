"""From a payment on chain to the books."""

from __future__ import annotations

from sqlalchemy import text

from custody.audit import queries as audit
from custody.deposits import queries
from custody.deposits.states import DepositState
from tests.integration.deposits.world import World, outpoint_of


def test_credits_a_deposit_at_its_tier_and_not_before(world: World) -> None:
    vault = world.open("acme", branch=1)
    paid = world.address("acme", vault)
    world.node.send(paid.address, 5_000_000)
    world.mine()
    for _ in range(2):
        assert world.available("acme") == 0
        assert [deposit.state for deposit in world.deposits()] == [DepositState.CONFIRMING]
        world.mine()
    assert world.available("acme") == 5_000_000
    (deposit,) = world.deposits()
    assert (deposit.state, deposit.required_depth, deposit.units) == (DepositState.CREDITED, 3, 5_000_000)
    world.expect_invariants()


def test_shows_an_unconfirmed_payment_without_counting_it(world: World) -> None:
    vault = world.open("acme", branch=1)
    paid = world.address("acme", vault)
    world.scan()
    txid = world.node.send(paid.address, 500_000)
    world.watch()
    world.watch()
    (deposit,) = world.deposits()
    assert (deposit.state, deposit.txid, deposit.client) == (DepositState.SEEN, txid, "acme")
    assert world.available("acme") == 0
    world.mine()
    assert world.available("acme") == 500_000
    with world.db.unit() as unit:
        moves = queries.transitions(unit.session, deposit=deposit.id)
    assert [move.to_state for move in moves] == ["seen", "confirming", "credited"]
    world.expect_invariants()


def test_puts_dust_into_the_vaults_suspense(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.node.send(world.address("acme", vault).address, 999)
    world.node.send(world.address("acme", vault).address, 1_000)
    world.mine()
    assert {deposit.state for deposit in world.deposits()} == {DepositState.DUST, DepositState.CREDITED}
    assert (world.available("acme"), world.suspense(vault)) == (1_000, 999)
    with world.db.unit() as unit:
        (total,) = queries.totals(unit.session)
    assert (total.client, total.credited, total.dust, total.quarantined) == ("acme", 1_000, 999, 0)
    world.expect_invariants()


def test_quarantines_what_was_paid_to_an_address_nobody_was_given(world: World) -> None:
    vault = world.open("acme", branch=1)
    unissued = world.keys.descriptor(1).derive(change=False, index=0)
    world.node.send(unissued.address, 200_000)
    world.mine()
    (deposit,) = world.deposits()
    assert (deposit.state, deposit.client, deposit.reason) == (DepositState.QUARANTINED, None, "unattributed")
    assert (world.available("acme"), world.suspense(vault)) == (0, 200_000)
    assert world.address("acme", vault).index == 1
    world.expect_invariants()


def test_hands_out_no_address_that_somebody_is_paying_already(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.scan()
    world.node.send(world.keys.descriptor(1).derive(change=False, index=0).address, 200_000)
    world.watch()
    assert world.address("acme", vault).index == 1
    world.mine()
    (deposit,) = world.deposits()
    assert (deposit.state, deposit.client, world.suspense(vault)) == (DepositState.QUARANTINED, None, 200_000)
    world.expect_invariants()


def test_leaves_an_audit_event_for_every_move(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.node.send(world.address("acme", vault).address, 300_000)
    world.mine()
    (deposit,) = world.deposits()
    with world.db.unit() as unit:
        events = unit.session.execute(
            text("SELECT event FROM audit_events WHERE subject = :id ORDER BY sequence"), {"id": deposit.id}
        )
        assert list(events.scalars()) == ["deposit.confirming", "deposit.credited"]
        assert audit.first_bad_record(unit.session) is None


def test_takes_change_of_a_vaults_own_payment_for_no_deposit(world: World) -> None:
    vault = world.open("acme", branch=1)
    paid, change = world.address("acme", vault), world.change_address(vault)
    txid = world.node.send(paid.address, 900_000)
    world.mine()
    outside = world.node.wallet("elsewhere").new_address()
    coin = (txid, outpoint_of(world.node, txid, paid.address), 900_000, paid)
    raw = world.spend([coin], {outside: 300_000, change.address: 590_000})
    world.node.rpc("sendrawtransaction", raw)
    world.watch()
    world.mine()
    assert [deposit.txid for deposit in world.deposits()] == [txid]
    world.expect_invariants()


def test_quarantines_a_strangers_payment_to_a_change_address(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.node.send(world.change_address(vault).address, 400_000)
    world.mine()
    (deposit,) = world.deposits()
    assert (deposit.state, deposit.reason) == (DepositState.QUARANTINED, "paid-to-change")
    assert world.suspense(vault) == 400_000
    world.expect_invariants()


def test_credits_one_clients_withdrawal_to_another_clients_address(world: World) -> None:
    world.open("acme", branch=1)
    pool = world.open("birch", branch=9, segregation="omnibus")
    world.open("cedar", branch=9, segregation="omnibus")
    paid, other = world.address("birch", pool), world.address("cedar", pool)
    txid = world.node.send(paid.address, 900_000)
    world.mine()
    coin = (txid, outpoint_of(world.node, txid, paid.address), 900_000, paid)
    world.node.rpc("sendrawtransaction", world.spend([coin], {other.address: 890_000}))
    world.mine()
    assert world.available("cedar") == 890_000
    world.expect_invariants()


def test_advancing_twice_changes_nothing_more(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.node.send(world.address("acme", vault).address, 700_000)
    world.mine()
    before = world.accounts_but()
    again = world.advance()
    assert (again.mined, again.booked, again.removed) == ((), (), ())
    assert world.accounts_but() == before
    world.expect_invariants()


def test_names_what_is_on_chain_and_not_yet_on_the_books(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.node.send(world.address("acme", vault).address, 5_000_000)
    world.mine()
    height = world.node.rpc("getblockcount")
    with world.db.unit() as unit:
        (waiting,) = queries.in_flight(unit.session, vault=vault, height=height)
        assert queries.in_flight(unit.session, vault=vault, height=height - 1) == []
    assert waiting.units == 5_000_000
    world.mine(2)
    with world.db.unit() as unit:
        assert queries.in_flight(unit.session, vault=vault, height=height) == []
        (ahead,) = queries.ahead_of(unit.session, vault=vault, height=height - 1)
    assert ahead.id == waiting.id
