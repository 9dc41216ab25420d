"""A cold restore: with the exported descriptors, any node and two cosigners' words, and nothing else of ours."""

from __future__ import annotations

import json
from typing import Any

from embit import bip32, bip39
from embit.networks import NETWORKS

from custody.addresses.export import VaultExport, export
from demo.bitcoind import btc as as_btc
from demo.bitcoind import sat
from demo.servers import Bitcoind
from tests.cosigner.builders import words_of
from tests.support.road import Road, btc


def exported(road: Road) -> list[VaultExport]:
    """What stands in the file, read back."""
    with road.db.unit() as unit:
        written = json.dumps([vault.to_json() for vault in export(unit.session)])
    return [VaultExport.parse(item) for item in json.loads(written)]


def ranges_of(vaults: list[VaultExport]) -> list[dict[str, Any]]:
    """The ranges as a node takes them."""
    return [{"desc": text, "range": list(run)} for vault in vaults for text, run in vault.ranges()]


def found_by(node: Bitcoind, vaults: list[VaultExport]) -> list[dict[str, Any]]:
    """Coins that a node finds from the descriptors alone."""
    unspents: list[dict[str, Any]] = node.rpc("scantxoutset", "start", ranges_of(vaults))["unspents"]
    return unspents


def with_private_key(node: Bitcoind, descriptor: str, name: str) -> str:
    """The descriptor with this cosigner's own key made from its words, as its holder would write it."""
    branch = descriptor.split("/2h/")[1].split("]")[0]
    root = bip32.HDKey.from_seed(bip39.mnemonic_to_seed(words_of(name)), version=NETWORKS["regtest"]["xprv"])
    key = root.derive(f"m/48h/1h/0h/2h/{branch}")
    public = key.to_public().to_base58(NETWORKS["regtest"]["xpub"])
    assert public in descriptor
    body = descriptor.split("#")[0].replace(public, key.to_base58())
    return f"{body}#{node.rpc('getdescriptorinfo', body)['checksum']}"


def test_the_node_and_two_cosigners_words_alone_find_and_spend_every_coin(road: Road) -> None:
    road.open("acme")
    road.pool("cobalt", "dune")
    road.deposit("acme", btc("0.1"), btc("0.2"))
    road.deposit("dune", btc("0.3"))
    asked = road.ask("acme", btc("0.02"))
    road.settle()
    road.mine(6)
    vaults = exported(road)
    expected = {
        (row.txid, row.position) for row in road.rows("SELECT txid, position FROM coins WHERE spent_by IS NULL")
    }
    road.close()

    node = road.node
    coins = found_by(node, vaults)
    assert {(coin["txid"], coin["vout"]) for coin in coins} == expected
    assert len(expected) == 3
    assert asked.units + sum(sat(coin["amount"]) for coin in coins) < btc("0.6")

    refuge = node.wallet("faucet").new_address()
    total = sum(sat(coin["amount"]) for coin in coins) - 20_000
    inputs = [{"txid": coin["txid"], "vout": coin["vout"]} for coin in coins]
    psbt = node.rpc("createpsbt", inputs, [{refuge: as_btc(total)}])
    ranges = ranges_of(vaults)
    psbt = node.rpc("utxoupdatepsbt", psbt, ranges)
    for name in ("north", "east"):
        keys = [{"desc": with_private_key(node, item["desc"], name), "range": item["range"]} for item in ranges]
        processed = node.rpc("descriptorprocesspsbt", psbt, keys)
        psbt = processed["psbt"]
    assert processed["complete"]
    txid = node.rpc("sendrawtransaction", processed["hex"])
    block = node.mine(1)[0]
    assert txid in node.rpc("getblock", block)["tx"]
    assert found_by(node, vaults) == []


def test_one_cosigners_words_spend_nothing(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.1"))
    vaults = exported(road)
    road.close()
    node = road.node
    (coin,) = found_by(node, vaults)
    inputs = [{"txid": coin["txid"], "vout": coin["vout"]}]
    psbt = node.rpc("createpsbt", inputs, [{node.wallet("faucet").new_address(): as_btc(btc("0.09"))}])
    ranges = ranges_of(vaults)
    keys = [{"desc": with_private_key(node, item["desc"], "north"), "range": item["range"]} for item in ranges]
    processed = node.rpc("descriptorprocesspsbt", node.rpc("utxoupdatepsbt", psbt, ranges), keys)
    assert not processed["complete"]
