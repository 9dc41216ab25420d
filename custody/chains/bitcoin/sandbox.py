"""A regtest node that is told to mine, to pay out of its own wallet, and to reorganise."""

from __future__ import annotations

import secrets
from typing import Final

from custody.chains.bitcoin.rpc import Rpc, expecting
from custody.chains.sandbox import NoFaucet
from custody.kernel.errors import InvalidInput
from custody.kernel.money import Asset, format_decimal

FAUCET: Final = "faucet"
"""The node's wallet that is paid from, where it has several."""


class BitcoinSandbox:
    """One node. Its wallet is its own: cosigners hold the clients' keys, and no node has one of those."""

    def __init__(self, rpc: Rpc, wallet: Rpc, asset: Asset) -> None:
        """``wallet`` answers for the faucet."""
        self._rpc, self._wallet, self._asset = rpc, wallet, asset

    def mine(self, blocks: int) -> None:
        """As the protocol says."""
        self._rpc.call("generatetodescriptor", blocks, _anybody())

    def pay(self, address: str, units: int) -> str:
        """As the protocol says."""
        self._open_faucet()
        return str(self._wallet.call("sendtoaddress", address, format_decimal(units, self._asset)))

    def reorganise(self, depth: int) -> None:
        """As the protocol says."""
        with expecting("getblockcount"):
            height = int(self._rpc.call("getblockcount"))
        if depth > height:
            raise InvalidInput(f"there are {height} blocks to undo; accepted is no more", field="depth")
        self._rpc.call("invalidateblock", self._rpc.call("getblockhash", height - depth + 1))
        for _ in range(depth + 1):
            self._rpc.call("generateblock", _anybody(), [])

    def _open_faucet(self) -> None:
        with expecting("listwallets"):
            if FAUCET not in self._rpc.call("listwallets"):
                raise NoFaucet(f"the node has no wallet called {FAUCET}; accepted is one that is open and has money")


def _anybody() -> str:
    """Whom a block pays: anybody. Another script each time, so that no block is one that was undone before."""
    return f"raw(08{secrets.token_hex(8)}7551)"
