"""Telling an anvil node of one's own what to do."""

from __future__ import annotations

from custody.chains.registry import NodeAddress, chain_named, open_chain, sandbox
from demo.anvil import Anvil

SOMEBODY = "0x00000000000000000000000000000000000a11ce"
UNITS = 10**17


def test_pays_mines_and_undoes(anvil: Anvil) -> None:
    chain, address = chain_named("anvil"), NodeAddress(anvil.url)
    node, reader = sandbox(chain, address), open_chain(chain, address)

    def has() -> int:
        return int(anvil.rpc("eth_getBalance", SOMEBODY, "latest"), 16)

    before, height = has(), reader.status().height
    node.pay(SOMEBODY, UNITS)
    node.mine(2)
    assert has() == before + UNITS
    top = reader.status()
    assert top.height >= height + 2
    depth = top.height - height
    node.reorganise(depth)
    assert has() == before
    assert reader.status().height == top.height + 1
    assert reader.block_hash(top.height) != top.hash
