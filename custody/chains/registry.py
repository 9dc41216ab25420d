"""What serves which chain: CAIP-2 id to factory, one line each. A factory imports its chain when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from custody.chains.addressing import Addressing
from custody.chains.bitcoin.offline.network import NETWORKS
from custody.chains.carrying import CarrierNode, Payer
from custody.chains.ethereum.offline.network import NETWORKS as EIP155
from custody.chains.ethereum.offline.network import why_refused
from custody.chains.inspecting import HasCode, Inspect, Inspected, native_inspected, no_code
from custody.chains.port import ChainNode, Doorbell
from custody.chains.sandbox import Sandbox
from custody.chains.spending import Spending
from custody.kernel.errors import InvalidInput
from custody.kernel.money import Asset

if TYPE_CHECKING:
    from custody.chains.ethereum.adapter import EthereumAdapter

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a chain's node answers and how long to wait for it. Never shown: ``url`` may hold a password."""

    url: str = field(repr=False)
    cookie_file: Path | None = None
    second_url: str | None = field(default=None, repr=False)
    """Another node of the same network, whose answers must agree."""
    assets: tuple[str, ...] = ()
    """CAIP-19 ids of the registered assets, where a chain has others than its own."""
    timeout_seconds: float = 30.0
    scan_timeout_seconds: float = 900.0


def chain_named(name: str) -> str:
    """The CAIP-2 id of the network of this short name (``regtest``); an id is its own. Raises ``InvalidInput``."""
    if name in ADDRESSINGS:
        return name
    if name not in NAMES:
        refused = why_refused(name)
        if refused:
            raise InvalidInput(refused, field="network")
        raise InvalidInput(f"no such network; accepted is {', '.join(NAMES)}, or its CAIP-2 id", field="network")
    return NAMES[name]


def addressing(chain: str) -> Addressing:
    """What a chain says of keysets, addresses and destinations. Raises ``InvalidInput`` for one nobody serves."""
    return _of(chain, ADDRESSINGS)(chain)


def spending(chain: str) -> Spending:
    """What a chain says of spends without a node. Raises ``InvalidInput`` for one nobody serves."""
    return _of(chain, SPENDINGS)(chain)


def open_chain(chain: str, address: NodeAddress) -> ChainNode:
    """The adapter of a chain by its CAIP-2 id; nothing is asked of the node yet.

    Raises ``InvalidInput`` for a chain nobody serves and ``ValueError`` for an address that is none.
    """
    return _of(chain, ADAPTERS)(chain, address)


def inspector(chain: str, address: NodeAddress) -> Inspect:
    """What asks the chain's node about a registered asset; nothing is asked yet. Raises ``InvalidInput``."""
    return _of(chain, INSPECTORS)(chain, address)


def code_reader(chain: str, address: NodeAddress) -> HasCode:
    """What asks the chain's node whether code lives at a place; nothing is asked yet. Raises ``InvalidInput``."""
    return no_code if has_coins(chain) else _ethereum_code_reader(address)


def doorbell(chain: str) -> Doorbell:
    """How the chain's node tells that it has news. Raises ``InvalidInput`` for a chain nobody serves."""
    return _of(chain, DOORBELLS)()


def has_coins(chain: str) -> bool:
    """Whether what a place holds there is made of coins, as its node says too. Raises ``InvalidInput``."""
    return _of(chain, HAS_COINS)


def payer(chain: str) -> Payer | None:
    """What a chain says of who pays for spends it has no authority over; ``None`` where the vault pays itself.

    Raises ``InvalidInput`` for a chain nobody serves.
    """
    made = _of(chain, PAYERS)
    return None if made is None else made(chain)


def open_carrier(chain: str, address: NodeAddress) -> CarrierNode:
    """The node of a chain whose spends are carried, as carrying asks it. Raises as ``open_chain`` does."""
    return _of(chain, CARRIERS)(chain, address)


def sandbox(chain: str, address: NodeAddress) -> Sandbox:
    """The node of a network of one's own, to be told what to do; nothing is asked yet.

    Raises ``InvalidInput`` for any other network.
    """
    return _of(chain, SANDBOXES)(chain, address)


def _of(chain: str, served: Mapping[str, _Found]) -> _Found:
    if chain not in served:
        raise InvalidInput(f"no adapter serves this chain; served are {', '.join(served)}", field="chain")
    return served[chain]


def _bitcoin(chain: str, address: NodeAddress) -> ChainNode:
    from custody.chains.bitcoin.adapter import BitcoinAdapter
    from custody.chains.bitcoin.offline.network import network
    from custody.chains.bitcoin.rpc import Rpc

    rpc = Rpc(address.url, cookie_file=address.cookie_file, timeout_seconds=address.timeout_seconds)
    return BitcoinAdapter(rpc, network=network(chain), scan_timeout_seconds=address.scan_timeout_seconds)


def _bitcoin_addressing(chain: str) -> Addressing:
    from custody.chains.bitcoin.addressing import BitcoinAddressing
    from custody.chains.bitcoin.offline.network import network

    return BitcoinAddressing(network(chain))


def _bitcoin_sandbox(chain: str, address: NodeAddress) -> Sandbox:
    from custody.chains.bitcoin.rpc import Rpc
    from custody.chains.bitcoin.sandbox import FAUCET, BitcoinSandbox

    urls = (address.url, f"{address.url.rstrip('/')}/wallet/{FAUCET}")
    rpc, wallet = (Rpc(url, timeout_seconds=address.timeout_seconds) for url in urls)
    return BitcoinSandbox(rpc, wallet, addressing(chain).native)


def _bitcoin_doorbell() -> Doorbell:
    from custody.chains.bitcoin.doorbell import listen

    return listen


@lru_cache
def _bitcoin_spending(chain: str) -> Spending:
    from custody.chains.bitcoin.spending import BitcoinSpending

    return BitcoinSpending(chain)


@lru_cache
def _ethereum_spending(chain: str) -> Spending:
    from custody.chains.ethereum.spending import EthereumSpending

    return EthereumSpending(chain)


@lru_cache
def _ethereum_payer(chain: str) -> Payer:
    from custody.chains.ethereum.payer import EthereumPayer

    return EthereumPayer(chain)


def _ethereum(chain: str, address: NodeAddress) -> EthereumAdapter:
    from custody.chains.ethereum.adapter import EthereumAdapter
    from custody.chains.ethereum.offline.network import network
    from custody.chains.ethereum.rpc import Rpc

    urls = [address.url] if address.second_url is None else [address.url, address.second_url]
    first, *second = [Rpc(url, timeout_seconds=address.timeout_seconds) for url in urls]
    return EthereumAdapter(
        first,
        network=network(chain),
        assets=[asset for asset in address.assets if asset.startswith(f"{chain}/")],
        second=second[0] if second else None,
        scan_timeout_seconds=address.scan_timeout_seconds,
    )


def _ethereum_addressing(chain: str) -> Addressing:
    from custody.chains.ethereum.addressing import EthereumAddressing
    from custody.chains.ethereum.offline.network import network

    return EthereumAddressing(network(chain))


def _native_inspector(chain: str, _: NodeAddress) -> Inspect:
    where = addressing(chain)

    def ask(asset: Asset) -> Inspected:
        where.home_of(asset.id)
        return native_inspected(asset)

    return ask


def _ethereum_inspector(chain: str, address: NodeAddress) -> Inspect:
    def ask(asset: Asset) -> Inspected:
        from custody.chains.ethereum.offline.network import network
        from custody.chains.ethereum.rpc import Rpc
        from custody.chains.ethereum.tokens import inspect

        return inspect(Rpc(address.url, timeout_seconds=address.timeout_seconds), network(chain), asset)

    return ask


def _ethereum_code_reader(address: NodeAddress) -> HasCode:
    def ask(locator: bytes) -> bool:
        from custody.chains.ethereum.rpc import Rpc
        from custody.chains.ethereum.tokens import has_code

        return has_code(Rpc(address.url, timeout_seconds=address.timeout_seconds), locator)

    return ask


def _ethereum_sandbox(_: str, address: NodeAddress) -> Sandbox:
    from custody.chains.ethereum.rpc import Rpc
    from custody.chains.ethereum.sandbox import EthereumSandbox

    return EthereumSandbox(Rpc(address.url, timeout_seconds=address.timeout_seconds))


def _ethereum_doorbell() -> Doorbell:
    from custody.chains.ethereum.doorbell import listen

    return listen


NAMES: Final[Mapping[str, str]] = {network.name: network.chain for network in (*NETWORKS, *EIP155)}
"""Short name to chain id; no two chains share a name."""

ADAPTERS: Final[Mapping[str, Callable[[str, NodeAddress], ChainNode]]] = {
    **{network.chain: _bitcoin for network in NETWORKS},
    **{network.chain: _ethereum for network in EIP155},
}
"""Chain id to what opens its node."""

CARRIERS: Final[Mapping[str, Callable[[str, NodeAddress], CarrierNode]]] = {
    network.chain: _ethereum for network in EIP155
}
"""Chain id to what opens its node for carrying, where spends are carried."""

ADDRESSINGS: Final[dict[str, Callable[[str], Addressing]]] = {
    **{network.chain: _bitcoin_addressing for network in NETWORKS},
    **{network.chain: _ethereum_addressing for network in EIP155},
}
"""Chain id to what makes its addressing."""

DOORBELLS: Final[Mapping[str, Callable[[], Doorbell]]] = {
    **{network.chain: _bitcoin_doorbell for network in NETWORKS},
    **{network.chain: _ethereum_doorbell for network in EIP155},
}
"""Chain id to what gives its doorbell."""

INSPECTORS: Final[Mapping[str, Callable[[str, NodeAddress], Inspect]]] = {
    **{network.chain: _native_inspector for network in NETWORKS},
    **{network.chain: _ethereum_inspector for network in EIP155},
}
"""Chain id to what asks about its assets."""

SANDBOXES: Final[Mapping[str, Callable[[str, NodeAddress], Sandbox]]] = {
    NAMES["regtest"]: _bitcoin_sandbox,
    NAMES["anvil"]: _ethereum_sandbox,
}
"""Chain id to what tells its node what to do: networks of one's own, and no other."""

HAS_COINS: Final[Mapping[str, bool]] = {
    **{network.chain: True for network in NETWORKS},
    **{network.chain: False for network in EIP155},
}
"""Chain id to whether it has coins."""
SPENDINGS: Final[dict[str, Callable[[str], Spending]]] = {
    **{network.chain: _bitcoin_spending for network in NETWORKS},
    **{network.chain: _ethereum_spending for network in EIP155},
}
"""Chain id to what makes its spending."""

PAYERS: Final[dict[str, Callable[[str], Payer] | None]] = {
    **{network.chain: None for network in NETWORKS},
    **{network.chain: _ethereum_payer for network in EIP155},
}
"""Chain id to what makes its payer."""
