"""Following a real node: forward, around forks, twice at once, and not at all when it cannot be believed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import text

from custody.addresses import operations as addresses
from custody.addresses.model import derive
from custody.audit import queries as audit
from custody.chains.port import ChainReader, NodeNotReady, NodeUnavailable, WrongNetwork
from custody.movements import operations, queries
from custody.movements.model import Tip
from custody.movements.operations import TipMoved, UnknownBlock
from custody.movements.scan import NoCommonAncestor, NodeBehind, scan
from demo.servers import Bitcoind
from tests.integration.deposits.world import ASSET, CHAIN, SEAL_KEY, World, outpoint_of, reader_of
from tests.integration.movements.counting import statements_of


def tip_of(world: World) -> Tip | None:
    with world.db.unit() as unit:
        return queries.tip(unit.session, chain=CHAIN)


def everything(world: World) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the room, times left out."""
    statements = {
        "blocks": "SELECT chain, height, hash, parent FROM blocks ORDER BY height",
        "progress": "SELECT chain, height, hash FROM scan_progress",
        "coins": "SELECT * FROM coins ORDER BY txid, position",
        "movements": "SELECT id, change_id, direction, txid, position, spent_by, asset, units, height, "
        "block_hash, removed_at IS NULL FROM movements ORDER BY id",
        "outbox": "SELECT topic, payload::text FROM outbox WHERE topic LIKE 'movements%' ORDER BY id",
    }
    with world.db.unit() as unit:
        return {name: [tuple(row) for row in unit.session.execute(text(sql))] for name, sql in statements.items()}


def node_tip(node: Bitcoind) -> Tip:
    height = node.rpc("getblockcount")
    return Tip(height, node.rpc("getblockhash", height))


def test_records_coins_and_movements_in_and_out(world: World) -> None:
    vault = world.open("acme", branch=1)
    paid = world.address("acme", vault)
    txid = world.node.send(paid.address, 900_000)
    world.node.mine()
    world.scan()
    with world.db.unit() as unit:
        (coin,) = queries.coins_of(unit.session, vault=vault, asset=ASSET)
        assert queries.coins(unit.session, chain=CHAIN, outpoints=[(txid, coin.position), ("00" * 32, 0)]) == [coin]
    assert (coin.txid, coin.units, coin.address_id, coin.change) == (txid, 900_000, paid.id, False)
    outside = world.node.wallet("elsewhere").new_address()
    spending = world.node.rpc(
        "sendrawtransaction", world.spend([(txid, coin.position, 900_000, paid)], {outside: 890_000})
    )
    world.node.mine()
    world.scan()
    height = world.node.rpc("getblockcount")
    with world.db.unit() as unit:
        assert queries.coins_of(unit.session, vault=vault, asset=ASSET) == []
        assert [c.outpoint for c in queries.coins_at(unit.session, vault=vault, asset=ASSET, height=height - 1)] == [
            coin.outpoint
        ]
        assert queries.balance_at(unit.session, vault=vault, asset=ASSET, height=height) == 0
        assert queries.balance_at(unit.session, vault=vault, asset=ASSET, height=height - 1) == 900_000
        assert queries.spender_of(unit.session, chain=CHAIN, txid=txid, position=coin.position) == spending
        found = queries.confirmation(unit.session, chain=CHAIN, txid=spending)
        assert found is not None
        assert found.height == height
        assert [m.direction for m in queries.movements_of(unit.session, vault=vault)] == ["in", "out"]
    world.expect_invariants()


def test_emits_one_message_per_block(world: World) -> None:
    world.scan()
    world.node.mine(3)
    result = world.scan()
    assert (result.recorded, result.removed, result.more) == (3, 0, False)
    assert len(everything(world)["outbox"]) == 4


def test_a_limit_ends_a_scan_and_the_next_goes_on(world: World) -> None:
    world.scan()
    world.node.mine(5)
    assert [(r.recorded, r.more) for r in (world.scan(limit_blocks=2) for _ in range(3))] == [
        (2, True),
        (2, True),
        (1, False),
    ]
    assert tip_of(world) == node_tip(world.node)


def test_scanning_five_times_over_changes_nothing_more(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.node.send(world.address("acme", vault).address, 300_000)
    world.node.mine(2)
    world.scan()
    before = everything(world)
    for _ in range(5):
        assert world.scan().recorded == 0
        with world.db.unit() as unit:
            stored = queries.stored_below(unit.session, chain=CHAIN, height=before["progress"][0][1], limit=3)
        for known in stored:
            with world.db.unit() as unit:
                block = world.reader.block(known.hash)
                operations.rescan_block(
                    unit.session, chain=CHAIN, block=block, assets=[ASSET], has_coins=True, now=unit.now
                )
    assert everything(world) == before


def test_two_scanners_at_once_record_each_block_once(world: World) -> None:
    vault = world.open("acme", branch=1)
    for _ in range(10):
        world.node.send(world.address("acme", vault).address if _ < 4 else world.node.fund().new_address(), 50_000)
        world.node.mine()

    def follow(_: int) -> None:
        while world.scan(limit_blocks=3).more:
            pass

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(follow, range(3)))
    assert tip_of(world) == node_tip(world.node)
    rows = everything(world)
    heights = [row[1] for row in rows["blocks"]]
    assert heights == list(range(world.start_height, world.start_height + 11))
    assert (len(rows["movements"]), len(rows["outbox"])) == (4, 11)
    world.advance()
    world.expect_invariants()


def test_a_block_that_does_not_follow_the_tip_is_refused(world: World) -> None:
    world.scan()
    world.node.mine(2)
    tip = tip_of(world)
    assert tip is not None
    block = world.reader.block(world.node.rpc("getblockhash", tip.height + 2))
    before = everything(world)
    for wrong in (tip, Tip(tip.height + 1, "00" * 32), None):
        with pytest.raises(TipMoved), world.db.unit() as unit:
            operations.record_block(
                unit.session,
                chain=CHAIN,
                block=block,
                expected_tip=wrong,
                assets=[ASSET],
                has_coins=True,
                now=unit.now,
            )
    with pytest.raises(UnknownBlock), world.db.unit() as unit:
        operations.disconnect(
            unit.session, chain=CHAIN, to_height=world.start_height - 1, expected_tip=tip, now=unit.now
        )
    assert everything(world) == before


def test_leaves_a_branch_that_lost(world: World) -> None:
    vault = world.open("acme", branch=1)
    paid = world.address("acme", vault)
    txid = world.node.send(paid.address, 200_000)
    world.node.mine(3)
    world.scan()
    world.node.reorg(3)
    result = world.scan()
    assert (result.removed, result.recorded) == (3, 4)
    assert tip_of(world) == node_tip(world.node)
    with world.db.unit() as unit:
        assert queries.coins_of(unit.session, vault=vault, asset=ASSET) == []
        assert queries.movements_of(unit.session, vault=vault) == []
        (removed,) = queries.changes(unit.session, chain=CHAIN, after=0, limit=9)
    assert (removed.removed, removed.txid) == (True, txid)
    world.expect_invariants()


def test_sees_a_rival_at_the_same_height(world: World) -> None:
    world.node.mine(2)
    world.scan()
    before = tip_of(world)
    world.node.reorg(1, rivals=1)
    after = node_tip(world.node)
    assert before is not None
    assert (after.height, after.hash != before.hash) == (before.height, True)
    world.scan()
    assert tip_of(world) == after


def test_comes_back_to_a_branch_it_left(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.node.send(world.address("acme", vault).address, 200_000)
    world.node.mine(2)
    world.scan()
    first = node_tip(world.node)
    rivals = world.node.reorg(2, rivals=3)
    world.scan()
    world.node.rpc("reconsiderblock", world.node.rpc("getblockhash", world.start_height))
    world.node.rpc("invalidateblock", rivals[0])
    world.node.rpc("reconsiderblock", first.hash)
    assert node_tip(world.node) == first
    world.scan()
    assert tip_of(world) == first
    with world.db.unit() as unit:
        assert [coin.units for coin in queries.coins_of(unit.session, vault=vault, asset=ASSET)] == [200_000]
        history = queries.changes(unit.session, chain=CHAIN, after=0, limit=9)
    assert [item.removed for item in history] == [True, False]
    world.node.rpc("reconsiderblock", rivals[0])
    world.settle()
    world.expect_invariants()


def test_a_spent_coin_is_unspent_again_after_a_reorg(world: World) -> None:
    vault = world.open("acme", branch=1)
    paid = world.address("acme", vault)
    txid = world.node.send(paid.address, 900_000)
    world.node.mine()
    outside = world.node.wallet("elsewhere").new_address()
    raw = world.spend([(txid, outpoint_of(world.node, txid, paid.address), 900_000, paid)], {outside: 890_000})
    spending = world.node.rpc("sendrawtransaction", raw)
    world.node.mine()
    world.scan()
    world.node.reorg(1)
    world.scan()
    with world.db.unit() as unit:
        assert [coin.units for coin in queries.coins_of(unit.session, vault=vault, asset=ASSET)] == [900_000]
        assert queries.confirmation(unit.session, chain=CHAIN, txid=spending) is None
    world.node.mine()
    world.scan()
    with world.db.unit() as unit:
        assert queries.coins_of(unit.session, vault=vault, asset=ASSET) == []
    world.expect_invariants()


def test_finds_what_was_paid_before_its_address_was_stored(world: World) -> None:
    vault = world.open("acme", branch=1)
    late = world.keys.descriptor(1).derive(change=False, index=30)
    world.node.send(late.address, 123_456)
    world.node.mine(2)
    world.scan()
    world.stock(vault, 40, change=False)
    world.node.mine()
    world.scan(overlap=6)
    with world.db.unit() as unit:
        assert [coin.units for coin in queries.coins_of(unit.session, vault=vault, asset=ASSET)] == [123_456]


def test_pages_when_a_coin_it_never_saw_is_spent(world: World) -> None:
    vault = world.open("acme", branch=1)
    late = world.keys.descriptor(1).derive(change=False, index=5)
    txid = world.node.send(late.address, 500_000)
    world.node.mine()
    world.scan()
    with world.db.unit() as unit:
        plan = addresses.plan_stock(unit.session, vault=vault, change=False, target=6, seal_key=SEAL_KEY)
    assert plan is not None
    assert plan.indexes == range(5, 6)
    derived = derive(plan)
    with world.db.unit() as unit:
        addresses.store(unit.session, plan=plan, derived=derived, seal_key=SEAL_KEY, now=unit.now)
    for _ in range(5):
        world.address("acme", vault)
    paid = world.address("acme", vault)
    assert paid.address == late.address
    vout = outpoint_of(world.node, txid, paid.address)
    outside = world.node.wallet("elsewhere").new_address()
    world.node.rpc("sendrawtransaction", world.spend([(txid, vout, 500_000, paid)], {outside: 490_000}))
    world.node.mine()
    world.scan(overlap=0)
    with world.db.unit() as unit:
        assert [alarm.kind for alarm in audit.alarms(unit.session)] == ["unknown-coin-spent"]
        assert queries.coins_of(unit.session, vault=vault, asset=ASSET) == []
    world.node.mine()
    world.scan(overlap=6)
    with world.db.unit() as unit:
        assert queries.coins_of(unit.session, vault=vault, asset=ASSET) == []
        assert queries.balance_at(unit.session, vault=vault, asset=ASSET, height=2**30) == 0
    world.advance()
    world.expect_invariants()


def test_writes_nothing_for_a_node_that_cannot_be_believed(world: World, node_factory: Callable[..., Bitcoind]) -> None:
    world.scan()
    before = everything(world)
    syncing, signet = node_factory(), node_factory(network="signet")
    cases: list[tuple[ChainReader, type[Exception]]] = [
        (reader_of(syncing), NodeNotReady),
        (reader_of(signet), WrongNetwork),
    ]
    for reader, expected in cases:
        with pytest.raises(expected):
            scan(reader, world.db, chain=CHAIN, assets=[ASSET], start_height=0)
    syncing.stop()
    with pytest.raises(NodeUnavailable):
        scan(reader_of(syncing), world.db, chain=CHAIN, assets=[ASSET], start_height=0)
    with pytest.raises(WrongNetwork):
        scan(world.reader, world.db, chain="bip122:" + "0" * 32, assets=[ASSET], start_height=0)
    assert everything(world) == before


def test_waits_for_a_node_that_lost_blocks(world: World) -> None:
    world.node.mine(3)
    world.scan()
    before = everything(world)
    lost = world.node.rpc("getblockhash", world.start_height + 2)
    world.node.rpc("invalidateblock", lost)
    with pytest.raises((NodeBehind, NodeNotReady)):
        world.scan()
    assert everything(world) == before
    world.node.rpc("reconsiderblock", lost)
    world.scan()
    assert tip_of(world) == node_tip(world.node)


def test_refuses_a_chain_it_never_read_a_block_of(world: World, node_factory: Callable[..., Bitcoind]) -> None:
    world.scan()
    other = node_factory()
    other.mine(3)
    before = everything(world)
    with pytest.raises(NoCommonAncestor):
        scan(reader_of(other), world.db, chain=CHAIN, assets=[ASSET], start_height=0)
    assert everything(world) == before


def test_the_database_itself_keeps_a_removed_movement_removed(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.node.send(world.address("acme", vault).address, 200_000)
    world.node.mine()
    world.scan()
    world.node.reorg(1)
    world.scan()
    with pytest.raises(Exception, match="removed once"), world.db.unit() as unit:
        unit.session.execute(text("UPDATE movements SET removed_at = NULL"))
    for forbidden in ("UPDATE movements SET units = 1", "DELETE FROM movements"):
        with pytest.raises(Exception, match="permission denied"), world.db.unit() as unit:
            unit.session.execute(text(forbidden))


def test_a_block_takes_the_same_statements_however_much_of_it_is_ours(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.scan()
    world.node.mine()
    world.scan(overlap=0)

    world.node.mine()
    empty = statements_of(world.db, lambda: world.scan(overlap=0))
    for _ in range(4):
        world.node.send(world.address("acme", vault).address, 60_000)
    world.node.mine()
    full = statements_of(world.db, lambda: world.scan(overlap=0))
    assert len(full) == len(empty)


def test_an_old_tip_cannot_be_set_back(world: World) -> None:
    world.node.mine()
    world.scan()
    tip = tip_of(world)
    assert tip is not None
    with pytest.raises(TipMoved), world.db.unit() as unit:
        operations.disconnect(
            unit.session,
            chain=CHAIN,
            to_height=world.start_height,
            expected_tip=replace(tip, hash="00" * 32),
            now=unit.now,
        )
