"""The Ethereum adapter on a real node: what every chain's does, who the node is, and two nodes that must agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from custody.chains.addressing import Derived, Series
from custody.chains.ethereum.adapter import EthereumAdapter
from custody.chains.ethereum.capabilities import Tracing
from custody.chains.ethereum.offline.network import NETWORKS, network
from custody.chains.ethereum.rpc import Rpc
from custody.chains.port import BroadcastResult, NodeNotReady, NodeUnavailable, WrongNetwork
from custody.chains.registry import NodeAddress, has_coins, open_chain
from custody.kernel.errors import InvalidInput
from demo.servers import Anvil
from tests.chains.conformance import ChainConformance
from tests.chains.ethereum.conftest import (
    ANVIL,
    ETHER,
    NATIVE,
    NO_TRACES,
    EthereumDriver,
    Limited,
    adapter_for,
    credited,
    newest,
    raw,
)

SOMEBODY = "0x" + "33" * 20


class TestEthereumConformance(ChainConformance):
    """The chain-neutral suite on anvil."""

    @pytest.fixture
    def driver(self, driver: EthereumDriver) -> EthereumDriver:
        return driver


@pytest.mark.parametrize("name", ["ethereum", "sepolia", "base"])
def test_refuses_a_node_of_another_network(anvil: Anvil, name: str) -> None:
    stranger = EthereumAdapter(Rpc(anvil.url), network=network(name))
    assert not stranger.status().genesis_ok
    with pytest.raises(WrongNetwork):
        stranger.require_ready()
    with pytest.raises(WrongNetwork):
        stranger.block(adapter_for(anvil).status().hash)


def test_refuses_a_node_with_the_chain_id_of_another_genesis(anvil_factory: Callable[..., Anvil]) -> None:
    pretender = EthereumAdapter(Rpc(anvil_factory(chain_id=1).url), network=network("ethereum"))
    assert not pretender.status().genesis_ok


def test_refuses_a_node_that_puts_safes_elsewhere(anvil: Anvil) -> None:
    class Zk(Limited):
        def batch(self, calls, *, timeout_seconds=None):
            answers = super().batch(calls, timeout_seconds=timeout_seconds)
            names = [method for method, _ in calls]
            return [
                "zkSync/v2.0" if name == "web3_clientVersion" else answer
                for name, answer in zip(names, answers, strict=True)
            ]

    with pytest.raises(WrongNetwork, match="zkSync"):
        adapter_for(anvil, rpc=Zk(anvil.url)).require_ready()


def test_finds_out_what_the_node_can_do(anvil: Anvil) -> None:
    rpc = Rpc(anvil.url)
    found = adapter_for(anvil, rpc=rpc)._node.capabilities()
    assert (found.tracing, found.block_receipts, found.overrides) == (Tracing.FLAT, True, True)
    assert (found.multicall, found.finalized) == (True, True)
    less = Limited(anvil.url, missing=(*NO_TRACES, "eth_getBlockReceipts"))
    less.ignores_overrides = True
    anvil.rpc("anvil_setCode", "0xcA11bde05977b3631167028862bE2a173976CA11", "0x00")
    anvil.mine()
    found = adapter_for(anvil, rpc=less)._node.capabilities()
    assert (found.tracing, found.block_receipts, found.overrides) == (Tracing.NONE, False, False)
    assert not found.multicall
    trees = adapter_for(anvil, rpc=Limited(anvil.url, missing=["trace_block"]))._node.capabilities()
    assert trees.tracing is Tracing.TREE


def test_a_node_that_is_down_is_unavailable_and_a_send_to_it_unknown(driver: EthereumDriver) -> None:
    signed = driver.signed()
    driver.anvil.kill(keep_chain=False)
    node = driver.node
    for ask in (
        node.status,
        node.require_ready,
        lambda: node.block_hash(0),
        lambda: node.block("0x" + "11" * 32),
        lambda: node.mempool(limit=1, known=set()),
        lambda: node.in_mempool(["0x" + "11" * 32]),
        lambda: node.holdings([bytes(20)], assets=[NATIVE]),
        lambda: node.configuration(bytes(20)),
        node.check_serves_addresses,
    ):
        with pytest.raises(NodeUnavailable):
            ask()
    assert node.broadcast(signed).result is BroadcastResult.UNKNOWN


def test_what_a_node_refuses_to_send_is_told_apart(driver: EthereumDriver) -> None:
    first, rival = driver.signed(), driver.signed()
    assert driver.node.broadcast(first).held
    assert driver.node.broadcast(rival).result is BroadcastResult.REJECTED
    driver.confirm()
    assert driver.node.broadcast(first).result is BroadcastResult.ALREADY_KNOWN
    assert driver.node.broadcast(rival).result is BroadcastResult.UNKNOWN
    assert driver.node.broadcast(b"\x01\x02").result is BroadcastResult.REJECTED


def test_a_block_is_read_in_the_same_requests_however_much_is_in_it(driver: EthereumDriver) -> None:
    rpc = Limited(driver.anvil.url)
    node = adapter_for(driver.anvil, rpc=rpc)
    node.require_ready()
    counts = []
    for payments in (1, 30):
        for _ in range(payments):
            driver.pay(driver.new_locator(), 5)
        driver.confirm()
        block_hash = node.status().hash
        rpc.requests.clear()
        assert len(node.block(block_hash).transactions) >= payments
        counts.append(rpc.requests.copy())
    assert counts[0] == counts[1] == [["eth_getBlockByHash", "eth_getBlockReceipts"], ["trace_block"]]


def test_p014_what_a_second_node_does_not_show_is_not_there(anvil: Anvil, anvil_factory: Callable[..., Anvil]) -> None:
    other = anvil_factory(chain=anvil.dump())
    both = adapter_for(anvil, second=Rpc(other.url))
    assert both.require_ready().hash == adapter_for(anvil).status().hash
    receipt = anvil.transact(SOMEBODY, 5)
    height = int(receipt["blockNumber"], 16)
    # One node is ahead: its block is not believed yet.
    assert both.require_ready().height == height - 1
    with pytest.raises(NodeNotReady):
        both.block_hash(height)
    with pytest.raises(NodeNotReady):
        both.block(receipt["blockHash"])
    # And now the other has another block of that height.
    other.transact("0x" + "44" * 20, 5)
    with pytest.raises(NodeNotReady):
        both.require_ready()
    with pytest.raises(NodeNotReady):
        both.block_hash(height)
    with pytest.raises(NodeNotReady):
        both.holdings([raw(SOMEBODY)], assets=[NATIVE])


def test_p014_a_node_that_lies_about_a_block_is_found_out(anvil: Anvil) -> None:
    class Liar(Limited):
        """Shows every payment a thousandfold."""

        def batch(self, calls, *, timeout_seconds=None):
            answers = super().batch(calls, timeout_seconds=timeout_seconds)
            if calls[0][0] == "eth_getBlockByHash":
                for sent in answers[0]["transactions"]:
                    sent["value"] = hex(int(sent["value"], 16) * 1000)
            return answers

    anvil.transact(SOMEBODY, 5)
    alone = adapter_for(anvil, rpc=Liar(anvil.url, missing=NO_TRACES))
    assert credited(newest(alone), SOMEBODY) == [5000]
    both = adapter_for(anvil, rpc=Liar(anvil.url, missing=NO_TRACES), second=Rpc(anvil.url))
    with pytest.raises(NodeNotReady, match="differently"):
        newest(both)
    agreed = adapter_for(anvil, rpc=Limited(anvil.url, missing=NO_TRACES), second=Rpc(anvil.url))
    assert credited(newest(agreed), SOMEBODY) == [5]


def test_finality_is_the_nodes(anvil: Anvil) -> None:
    height = anvil.mine(10)
    assert adapter_for(anvil).finalized_height() == height - 2


def test_the_registry_opens_every_network(anvil: Anvil) -> None:
    for known in NETWORKS:
        assert open_chain(known.chain, NodeAddress(anvil.url)).chain == known.chain
        assert not has_coins(known.chain)
    node = open_chain(ANVIL.chain, NodeAddress(anvil.url, second_url=anvil.url, assets=("bip122:0/slip44:0", NATIVE)))
    assert node.require_ready().synced
    with pytest.raises(InvalidInput):
        open_chain("eip155:5", NodeAddress(anvil.url))


def test_the_addresses_of_nodes_are_not_shown() -> None:
    shown = repr(NodeAddress("https://user:s3cret@node/k3y", second_url="https://other/k3y"))
    assert "s3cret" not in shown
    assert "k3y" not in shown


@pytest.mark.parametrize(
    "asset", ["eip155:1/erc20:0x" + "11" * 20, "eip155:31337/erc721:0x" + "11" * 20, "eip155:31337/erc20:0x11", ""]
)
def test_refuses_an_asset_of_elsewhere(anvil: Anvil, asset: str) -> None:
    with pytest.raises(InvalidInput, match="assets"):
        adapter_for(anvil).holdings([bytes(20)], assets=[asset])


def test_places_are_derived_anew(anvil: Anvil) -> None:
    @dataclass
    class Source:
        size: int = 20

        def derive(self, *, client: str | None, change: bool, index: int) -> Derived:
            return Derived(index, "", bytes([index + 1]) * self.size)

    for index in range(3):
        anvil.transact("0x" + f"{index + 1:02x}" * 20, ETHER)
    found = adapter_for(anvil).holdings_of([Series(Source(), 1), Series(Source(), -1, "birch")], assets=[NATIVE])
    assert [item.locator for item in found.holdings] == [b"\x01" * 20, b"\x02" * 20]
    with pytest.raises(InvalidInput):
        adapter_for(anvil).holdings_of([Series(Source(34), 0)], assets=[NATIVE])
