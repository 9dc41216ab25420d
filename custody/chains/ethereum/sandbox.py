"""An anvil node that is told to mine, to pay from an account it has itself, and to reorganise."""

from __future__ import annotations

from custody.chains.ethereum.rpc import Rpc, expecting, quantity
from custody.chains.sandbox import NoFaucet


class EthereumSandbox:
    """One node. It pays from the first account that it signs for by itself."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    def mine(self, blocks: int) -> None:
        """As the protocol says."""
        self._rpc.call("anvil_mine", quantity(blocks))

    def pay(self, address: str, units: int) -> str:
        """As the protocol says."""
        with expecting("eth_accounts"):
            own = [str(each) for each in self._rpc.call("eth_accounts")]
        if not own:
            raise NoFaucet("the node has no account of its own to pay from")
        return str(self._rpc.call("eth_sendTransaction", {"from": own[0], "to": address, "value": quantity(units)}))

    def reorganise(self, depth: int) -> None:
        """As the protocol says."""
        self._rpc.call("anvil_reorg", depth, [])
        self._rpc.call("anvil_mine", quantity(1))
