"""The Ethereum networks a Safe of ours can stand on, each named by its CAIP-2 id (``eip155:`` and the chain id).

A network is here when the Safe 1.4.1 contracts are deployed on it at their usual addresses and CREATE2 works there as
EIP-1014 says. The same Safe address exists on all of them: only the chain id in a hash tells them apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from custody.kernel.errors import InvalidInput
from custody.kernel.money import Asset


@dataclass(frozen=True, slots=True)
class Network:
    """One network: its chain id (EIP-155) and its native coin."""

    name: str
    chain_id: int
    code: str = "ETH"
    slip44: int = 60
    """SLIP-44 number of the native coin, for its CAIP-19 id."""
    test: bool = False
    """Its coins are worth nothing."""

    @property
    def chain(self) -> str:
        """CAIP-2 id."""
        return f"eip155:{self.chain_id}"

    @property
    def asset(self) -> Asset:
        """Its native coin: 18 decimals, base unit the wei."""
        return Asset(id=f"{self.chain}/slip44:{self.slip44}", code=self.code, decimals=18, chain=self.chain)


NETWORKS: Final = (
    Network("mainnet", 1),
    Network("sepolia", 11155111, test=True),
    Network("holesky", 17000, test=True),
    Network("hoodi", 560048, test=True),
    Network("anvil", 31337, test=True),
    Network("optimism", 10),
    Network("bnb", 56, "BNB", 714),
    Network("gnosis", 100, "XDAI", 700),
    Network("polygon", 137, "POL", 966),
    Network("base", 8453),
    Network("arbitrum", 42161),
    Network("avalanche", 43114, "AVAX", 9005),
    Network("linea", 59144),
    Network("base-sepolia", 84532, test=True),
)
"""Every network, mainnet first."""

_ZKSYNC: Final = "derives CREATE2 addresses by a formula of its own (zkSync), so a Safe would stand elsewhere"
_REFUSED: Final = {
    324: ("zkSync Era", _ZKSYNC),
    300: ("zkSync Sepolia", _ZKSYNC),
    280: ("zkSync Goerli", _ZKSYNC),
    232: ("Lens", _ZKSYNC),
    37111: ("Lens Sepolia", _ZKSYNC),
    2741: ("Abstract", _ZKSYNC),
    11124: ("Abstract Sepolia", _ZKSYNC),
    388: ("Cronos zkEVM", _ZKSYNC),
    50104: ("Sophon", _ZKSYNC),
    61166: ("Treasure", _ZKSYNC),
    543210: ("Zero", _ZKSYNC),
    42220: ("Celo", "has a native coin that is a token as well: one move would be seen twice"),
}
_KNOWN: Final = {key: network for network in NETWORKS for key in (network.name, network.chain)}
_BY_ID: Final = {network.chain_id: network for network in NETWORKS}
_CHAIN: Final = re.compile(r"eip155:(0|[1-9][0-9]{0,31})", re.ASCII)


def network(name_or_chain: str) -> Network:
    """The network of this name (``sepolia``) or CAIP-2 id. Raises ``InvalidInput`` for any other text.

    Chains on which a Safe of ours would stand at another address, or be misread, are refused by name.
    """
    found = _KNOWN.get(name_or_chain)
    if found is not None:
        return found
    match = _CHAIN.fullmatch(name_or_chain)
    raise _no_such(int(match.group(1)) if match else None)


def network_of(chain_id: int) -> Network:
    """The network of this EIP-155 chain id. Raises ``InvalidInput`` as ``network`` does."""
    found = _BY_ID.get(chain_id) if type(chain_id) is int else None
    if found is None:
        raise _no_such(chain_id)
    return found


def _no_such(chain_id: int | None) -> InvalidInput:
    if chain_id in _REFUSED:
        name, reason = _REFUSED[chain_id]
        return InvalidInput(f"{name} is not served: it {reason}", field="network")
    accepted = ", ".join(known.name for known in NETWORKS)
    return InvalidInput(f"no such network; accepted is {accepted}, or its CAIP-2 id", field="network")
