"""Vaults of one registered policy: two clients whose coins are told apart by index alone, one of them paid out."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from custody.addresses import export as exports
from custody.chains.bitcoin.offline.descriptor import POLICY_BLOCK
from custody.chains.bitcoin.offline.psbt import parse_psbt
from custody.evidence.keysets import POLICY
from custody.reconciliation.effect import reconcile_ranged
from demo.servers import Bitcoind
from tests.cosigner.builders import World
from tests.support.road import Road, btc
from tests.support.servers import FreshDatabase


def test_a_client_of_a_shared_policy_is_paid_out_of_its_own_block(
    database: FreshDatabase, chain: Bitcoind, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    world = World(layout=POLICY, now=now, expires_at=now + timedelta(days=365))
    road = Road.build(database, chain, tmp_path, ceremony=world)
    # Tests share one chain and one keyset, here even one chain of indexes.
    first = secrets.randbelow(16_000) * 2
    try:
        acme, birch = road.open("acme", branch=first), road.open("birch", branch=first + 1)
        road.deposit("acme", btc("0.2"), btc("0.2"))
        road.deposit("birch", btc("0.2"))
        asked = road.ask("acme", btc("0.03"), max_fee=20_000)
        road.settle()
        (attempt,) = road.attempts(asked)
        psbt = parse_psbt(attempt.unsigned)
        change = psbt.outputs[1]
        places = [path[-2:] for _, path in (*psbt.inputs[0].derivations.values(), *change.derivations.values())]
        assert {position // POLICY_BLOCK for _, position in places} == {first}
        assert {side for side, _ in places} == {0, 1}
        road.mine(2)
        assert road.state(asked) == "completed"
        assert road.balance("birch") == (btc("0.2"), 0)
        road.check()

        here = road.runtime.only
        ranged = reconcile_ranged(
            here.node, road.db, chain=here.chain, assets=here.assets, start_height=here.start_height
        )
        assert ranged.breaks == ()
        _expect_exports(road, chain, {acme: first, birch: first + 1})
    finally:
        road.close()


def _expect_exports(road: Road, node: Bitcoind, places: dict[str, int]) -> None:
    """Each export finds its own client's coins on the node and not the other's, though the texts are the same."""
    with road.db.unit() as unit:
        found = {item.vault: item for item in exports.export(unit.session)}
    assert len({item.descriptor for item in found.values()}) == 1
    for vault, branch in places.items():
        export = exports.VaultExport.parse(found[vault].to_json())
        assert export == found[vault]
        assert export.first_position == branch * POLICY_BLOCK
        objects = [{"desc": text, "range": list(run)} for text, run in export.ranges()]
        seen = node.rpc("scantxoutset", "start", objects)
        held = sum(int(coin["amount"] * btc("1")) for coin in seen["unspents"])
        client = next(name for name, where in road.vaults.items() if where == vault)
        assert held == sum(road.balance(client))
    assert replace(found[vault], first_position=0).ranges() != found[vault].ranges()
