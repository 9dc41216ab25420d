"""Which adapter serves which chain: CAIP-2 id to factory, one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from custody.chains.bitcoin.adapter import BitcoinAdapter
from custody.chains.bitcoin.offline.network import network
from custody.chains.bitcoin.rpc import Rpc
from custody.chains.port import ChainNode
from custody.kernel.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a chain's node answers and how long to wait for it. Never shown: ``url`` may hold a password."""

    url: str = field(repr=False)
    cookie_file: Path | None = None
    timeout_seconds: float = 30.0
    scan_timeout_seconds: float = 900.0


def open_chain(chain: str, address: NodeAddress) -> ChainNode:
    """The adapter of a chain by its CAIP-2 id; nothing is asked of the node yet.

    Raises ``InvalidInput`` for a chain nobody serves and ``ValueError`` for an address that is none.
    """
    factory = ADAPTERS.get(chain)
    if factory is None:
        raise InvalidInput(f"no adapter serves this chain; served are {', '.join(ADAPTERS)}", field="chain")
    return factory(chain, address)


def _bitcoin(chain: str, address: NodeAddress) -> ChainNode:
    rpc = Rpc(address.url, cookie_file=address.cookie_file, timeout_seconds=address.timeout_seconds)
    return BitcoinAdapter(rpc, network=network(chain), scan_timeout_seconds=address.scan_timeout_seconds)


ADAPTERS: Final[Mapping[str, Callable[[str, NodeAddress], ChainNode]]] = {
    network("mainnet").chain: _bitcoin,
    network("testnet").chain: _bitcoin,
    network("signet").chain: _bitcoin,
    network("regtest").chain: _bitcoin,
}
"""Chain id to factory."""
