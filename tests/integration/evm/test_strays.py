"""Money at an address of ours on a chain that is not its vault's: never credited, said once, shown until it is gone."""

from __future__ import annotations

from collections.abc import Callable

from custody.chains.ethereum.adapter import EthereumAdapter
from custody.chains.ethereum.offline.network import network
from custody.chains.ethereum.rpc import Rpc
from custody.deposits import operations as deposits
from custody.deposits.model import AssetRules, DepositRules, Tier
from custody.deposits.watch import watch_mempool
from custody.movements import queries
from custody.movements.scan import scan
from custody.reconciliation.effect import reconcile
from demo.servers import Anvil
from tests.integration.evm.house import House
from tests.support.evm import deploy, deploy_token
from tests.support.servers import FreshDatabase

ELSEWHERE = network("base-sepolia")


def test_a_deposit_on_the_wrong_chain_is_shown_and_never_credited(
    anvil: Anvil, anvil_factory: Callable[..., Anvil], database: FreshDatabase
) -> None:
    house = House(database, anvil)
    other = anvil_factory(chain_id=ELSEWHERE.chain_id)
    token = deploy_token(other)
    listed = f"{ELSEWHERE.chain}/erc20:{token.address}"
    reader = EthereumAdapter(Rpc(other.url), network=ELSEWHERE, assets=[listed])
    own = AssetRules((Tier(None, 1),), dust_units=1, coinbase_maturity=1)
    rules = DepositRules({ELSEWHERE.asset.id: own, listed: own})
    start = other.height()

    def follow(blocks: int = 2) -> None:
        other.mine(blocks)
        scan(reader, house.db, chain=ELSEWHERE.chain, assets=rules.assets, start_height=start)
        with house.db.unit() as unit:
            deposits.advance(unit.session, chain=ELSEWHERE.chain, config=rules, actor="test", now=unit.now)

    other.transact(house.at["acme"], 400)
    deploy(other, "Forwarder").transact("forward", house.at["birch"], amount_wei=500)
    token.transact("transfer", house.at["acme"], 1_000)
    follow()
    follow()
    assert house.states() == []
    assert house.rows("SELECT * FROM movements") == []
    with house.db.unit() as unit:
        found = queries.strays(unit.session)
    assert [(item.chain, item.client, item.asset, item.units) for item in found] == [
        (ELSEWHERE.chain, "acme", ELSEWHERE.asset.id, 400),
        (ELSEWHERE.chain, "birch", ELSEWHERE.asset.id, 500),
        (ELSEWHERE.chain, "acme", listed, 1_000),
    ]
    assert house.alarms("stray") == 3
    assert reconcile(reader, house.db, chain=ELSEWHERE.chain, assets=rules.assets, start_height=start).is_balanced
    with other.mining_by_hand():
        other.send(house.at["acme"], 7)
        watch_mempool(reader, house.db, chain=ELSEWHERE.chain, config=rules, seen_before=set(), actor="test")
        assert house.states() == []
    # On its own chain the same address is as good as ever.
    anvil.transact(house.at["acme"], 90)
    house.settle()
    assert sum(house.available("acme").values()) == 90
    other.reorg(other.height() - start)
    follow()
    with house.db.unit() as unit:
        assert queries.strays(unit.session) == []
    house.expect_agreement()
