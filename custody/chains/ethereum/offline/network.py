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
    genesis_hash: str | None = None
    """Hash of its first block, where it is known: a node of another network with the same chain id has another."""

    @property
    def chain(self) -> str:
        """CAIP-2 id."""
        return f"eip155:{self.chain_id}"

    @property
    def asset(self) -> Asset:
        """Its native coin: 18 decimals, base unit the wei."""
        return Asset(id=f"{self.chain}/slip44:{self.slip44}", code=self.code, decimals=18, chain=self.chain)


_GENESIS: Final = {
    "ethereum": "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
    "optimism": "0x7ca38a1916c42007829c55e69d3e9a73265554b586a499015373241b8a3fa48b",
    "bnb": "0x0d21840abff46b96c84b2ac9e10e4f5cdaeb5693cb665db62a2f3b02d2d57b5b",
    "base": "0xf712aa9241cc24369b143cf6dce85f0902a9731e70d66818a3a5845b296c73dd",
    "arbitrum": "0x7ee576b35482195fc49205cec9af72ce14f003b9ae69f6ba0faef4514be8b442",
}


def _network(name: str, chain_id: int, code: str = "ETH", slip44: int = 60, *, test: bool = False) -> Network:
    return Network(name, chain_id, code, slip44, test, _GENESIS.get(name))


NETWORKS: Final = (
    _network("ethereum", 1),
    Network(
        "sepolia",
        11155111,
        test=True,
        genesis_hash="0x25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9",
    ),
    Network(
        "holesky", 17000, test=True, genesis_hash="0xb5f7f912443c940f21fd611f12828d75b534364ed9e95ca4e307729a4661bde4"
    ),
    Network(
        "hoodi", 560048, test=True, genesis_hash="0xbbe312868b376a3001692a646dd2d7d1e4406380dfd86b98aa8a34d1557c971b"
    ),
    _network("anvil", 31337, test=True),
    _network("optimism", 10),
    _network("bnb", 56, "BNB", 714),
    Network(
        "gnosis", 100, "XDAI", 700, genesis_hash="0x4f1dd23188aab3a76b463e4af801b52b1248ef073c648cbdc4c9333d3da79756"
    ),
    Network(
        "polygon", 137, "POL", 966, genesis_hash="0xa9c28ce2141b56c474f1dc504bee9b01eb1bd7d1a507580d5519d4437a97de1b"
    ),
    _network("base", 8453),
    _network("arbitrum", 42161),
    Network(
        "avalanche",
        43114,
        "AVAX",
        9005,
        genesis_hash="0x31ced5b9beb7f8782b014660da0cb18cc409f121f408186886e1ca3e8eeca96b",
    ),
    _network("linea", 59144),
    _network("base-sepolia", 84532, test=True),
)
"""Every network, Ethereum's own first. No name is one of Bitcoin's: settings and commands name either by its name."""

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


def why_refused(name_or_chain: str) -> str | None:
    """Why a network that people may know is not served; its name in any spelling (``zksync-era``), or CAIP-2 id."""
    spelled = _spelled(name_or_chain)
    for chain_id, (name, reason) in _REFUSED.items():
        if name_or_chain == f"eip155:{chain_id}" or spelled in (_spelled(name), _spelled(name).removesuffix("era")):
            return f"{name} is not served: it {reason}"
    return None


def _spelled(name: str) -> str:
    return "".join(sign for sign in name.lower() if sign.isalnum())


def _no_such(chain_id: int | None) -> InvalidInput:
    refused = why_refused(f"eip155:{chain_id}")
    if refused:
        return InvalidInput(refused, field="network")
    accepted = ", ".join(known.name for known in NETWORKS)
    return InvalidInput(f"no such network; accepted is {accepted}, or its CAIP-2 id", field="network")
