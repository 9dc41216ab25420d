"""P-017 to P-024: payments that change, vanish, repeat, hide or come late."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from custody.addresses.operations import ClientNotActive
from custody.audit import queries as audit
from custody.clients import queries as clients
from custody.deposits import queries
from custody.deposits.states import DepositState
from custody.vaults import operations as vaults
from demo.servers import Bitcoind
from tests.integration.deposits.world import Place, World, as_superuser, outpoint_of, spend
from tests.integration.vaults.keysets import make_keyset
from tests.support.oracle import plays
from tests.support.servers import FreshDatabase


@pytest.fixture
def world(database: FreshDatabase, chain: Bitcoind) -> World:
    return World(database.db, chain)


def rival_of(node: Bitcoind, txid: str, *, fee_sat: int) -> str:
    """Another transaction with all the inputs of ``txid`` and a higher fee, paying somebody else; in hex."""
    faucet = node.wallet("faucet")
    decoded = faucet.rpc("gettransaction", txid, True, True)["decoded"]
    spent = [{"txid": item["txid"], "vout": item["vout"]} for item in decoded["vin"]]
    total = sum(int(item["value"] * 100_000_000) for item in decoded["vout"])
    amount_sat = total - fee_sat
    elsewhere = node.wallet("elsewhere").new_address()
    raw = node.rpc(
        "createrawtransaction", spent, {elsewhere: f"{amount_sat // 100_000_000}.{amount_sat % 100_000_000:08d}"}
    )
    signed: str = faucet.rpc("signrawtransactionwithwallet", raw)["hex"]
    return signed


@plays("P-017")
def test_p017_a_payment_replaced_before_it_confirms_is_never_available(world: World) -> None:
    vault = world.open("acme", branch=1)
    paid = world.address("acme", vault)
    world.scan()
    txid = world.node.send(paid.address, 500_000, fee_rate_sat_vb=2)
    world.watch()
    (pending,) = world.deposits()
    assert pending.state is DepositState.SEEN
    world.node.rpc("sendrawtransaction", rival_of(world.node, txid, fee_sat=20_000))
    world.watch()
    assert [deposit.state for deposit in world.deposits()] == [DepositState.ORPHANED]
    world.mine(3)
    (closed,) = world.deposits()
    assert (closed.state, closed.occurrence, world.available("acme")) == (DepositState.ORPHANED, 0, 0)
    with world.db.unit() as unit:
        assert queries.pending(unit.session, chain=closed.chain) == []
    world.expect_whole()


@plays("P-018")
def test_p018_two_outputs_to_one_address_and_one_to_another_client_are_three_credits(world: World) -> None:
    vault, other = world.open("acme", branch=1), world.open("birch", branch=2)
    first, second = world.address("acme", vault), world.address("birch", other)
    stand_in = world.keys.descriptor(1).derive(change=False, index=4)
    amounts = {first.address: "0.00200000", stand_in.address: "0.00300000", second.address: "0.00400000"}
    raw = world.node.rpc("createrawtransaction", [], amounts)
    raw = raw.replace(stand_in.script_pubkey.hex(), first.locator.hex())
    faucet = world.node.fund()
    funded = faucet.rpc("fundrawtransaction", raw)["hex"]
    world.node.rpc("sendrawtransaction", faucet.rpc("signrawtransactionwithwallet", funded)["hex"])
    world.node.mine()
    for _ in range(2):
        world.settle()
    assert [deposit.state for deposit in world.deposits()] == [DepositState.CREDITED] * 3
    assert (world.available("acme"), world.available("birch")) == (500_000, 400_000)
    world.expect_whole()


@plays("P-019")
def test_p019_a_coinbase_is_available_only_at_maturity(
    database: FreshDatabase, node_factory: Callable[..., Bitcoind]
) -> None:
    node = node_factory()
    node.mine()
    world = World(database.db, node)
    vault = world.open("acme", branch=1)
    node.mine(1, address=world.address("acme", vault).address)
    for depth in range(1, 100):
        world.scan(overlap=0)
        world.advance()
        assert world.available("acme") == 0, depth
        node.mine()
    world.settle()
    (deposit,) = world.deposits()
    assert (deposit.coinbase, deposit.state) == (True, DepositState.CREDITED)
    assert world.available("acme") == 50 * 100_000_000
    world.expect_whole()


@plays("P-020")
def test_p020_a_credited_deposit_reorganised_away_and_spent_twice_is_reversed_and_nobody_else_changes(
    world: World,
) -> None:
    vault, other = world.open("acme", branch=1), world.open("birch", branch=2)
    world.node.send(world.address("birch", other).address, 700_000)
    world.mine()
    bystanders = world.accounts_but("acme", vault)
    txid = world.node.send(world.address("acme", vault).address, 150_000_000)
    rival = rival_of(world.node, txid, fee_sat=30_000)
    world.mine(7)
    assert world.available("acme") == 150_000_000
    world.node.reorg(7, transactions=[rival])
    world.settle()
    assert world.available("acme") == 0
    assert world.accounts_but("acme", vault) == bystanders
    with world.db.unit() as unit:
        assert clients.get(unit.session, client="acme").status == "frozen"
        assert clients.get(unit.session, client="birch").status == "active"
        kinds = [(alarm.kind, alarm.subject) for alarm in audit.alarms(unit.session)]
    (deposit,) = [item for item in world.deposits() if item.client == "acme"]
    assert deposit.state is DepositState.ORPHANED
    assert sorted(kinds) == [("client-frozen", "acme"), ("deposit-reversed", deposit.id)]
    world.mine(2)
    assert world.accounts_but("acme", vault) == bystanders
    world.expect_whole()


@plays("P-021")
def test_p021_a_thousand_outputs_of_dust_are_booked_as_nobodys(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.stock(vault, 250, change=False)
    given = [world.address("acme", vault).address for _ in range(250)]
    faucet = world.node.fund()
    for _ in range(4):
        faucet.rpc("sendmany", "", dict.fromkeys(given, "0.00000546"))
    world.mine()
    found = world.deposits()
    assert (len(found), {deposit.state for deposit in found}) == (1_000, {DepositState.DUST})
    assert (world.available("acme"), world.suspense(vault)) == (0, 546_000)
    world.expect_whole()


@plays("P-023")
def test_p023_a_late_payment_to_a_closed_client_is_its_own(world: World, database: FreshDatabase) -> None:
    vault, _ = world.open("acme", branch=1), world.open("birch", branch=2)
    paid = world.address("acme", vault)
    as_superuser(database, "UPDATE clients SET status = 'closed' WHERE id = 'acme'")
    with pytest.raises(ClientNotActive):
        world.address("acme", vault)
    world.node.send(paid.address, 250_000)
    world.mine()
    assert (world.available("acme"), world.available("birch"), world.suspense(vault)) == (250_000, 0, 0)
    world.expect_whole()


@plays("P-023")
def test_p023_a_late_payment_to_a_rotated_vault_is_its_clients_own(database: FreshDatabase, chain: Bitcoind) -> None:
    world = World(database.db, chain, newer=make_keyset("kst-newer", called="newer"))
    moved = world.open("acme", branch=1, keyset="kst-newer")
    with world.db.unit() as unit:
        # As it was opened before there was a later keyset.
        vault = vaults.open_vault(
            unit.session,
            keyset_id=world.keys.keyset.id,
            branch=1,
            kind="segregated",
            client="acme",
            actor="test",
            now=unit.now,
        ).id
    world.stock(vault, 2)
    paid = world.address("acme", vault)
    fresh = world.address("acme", moved)
    world.node.send(paid.address, 250_000)
    world.node.send(fresh.address, 350_000)
    world.mine()
    assert {(deposit.vault, deposit.units, deposit.client) for deposit in world.deposits()} == {
        (vault, 250_000, "acme"),
        (moved, 350_000, "acme"),
    }
    assert world.available("acme") == 600_000
    world.expect_whole()


@plays("P-024")
def test_p024_one_transaction_with_two_witnesses_is_one_credit(world: World) -> None:
    vault = world.open("acme", branch=1)
    target = world.address("acme", vault)
    payer = make_keyset("kst-payer")
    script = payer.descriptor(7).derive(change=False, index=0)
    txid = world.node.send(script.address, 900_000)
    world.mine()
    coin = (txid, outpoint_of(world.node, txid, script.address), 900_000, Place("kst-payer/7"))
    first = spend(world.node, payer, [coin], {target.address: 880_000})
    second = spend(world.node, payer, [coin], {target.address: 880_000}, signers=(0, 2))
    named = [world.node.rpc("decoderawtransaction", raw) for raw in (first, second)]
    assert named[0]["txid"] == named[1]["txid"]
    assert named[0]["hash"] != named[1]["hash"]
    world.node.rpc("sendrawtransaction", first)
    world.watch()
    world.node.mine_only([second])
    world.settle()
    assert world.available("acme") == 880_000
    world.node.reorg(1, transactions=[first])
    world.settle()
    (deposit,) = world.deposits()
    assert (deposit.txid, deposit.state) == (named[0]["txid"], DepositState.CREDITED)
    assert world.available("acme") == 880_000
    world.expect_whole()
