"""The four Bitcoin networks, each named by its CAIP-2 id (``bip122:`` and 32 hex digits of the genesis hash)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from custody.kernel.errors import InvalidInput
from custody.kernel.money import Asset


@dataclass(frozen=True, slots=True)
class Network:
    """One Bitcoin network and the constants that tell its keys and addresses from another's."""

    name: str
    """``mainnet``, ``testnet``, ``signet`` or ``regtest``."""
    genesis_hash: str
    """Hash of block 0, hex as nodes print it."""
    coin_type: int
    """SLIP-44 coin type in BIP-48 paths: 0 on mainnet, 1 elsewhere."""
    hrp: str
    """Human-readable part of segwit addresses (BIP-173)."""
    xpub_version: bytes
    """First four bytes of an extended public key (BIP-32)."""
    pubkey_hash_version: int
    script_hash_version: int

    @property
    def chain(self) -> str:
        """CAIP-2 id."""
        return f"bip122:{self.genesis_hash[:32]}"

    @property
    def asset(self) -> Asset:
        """Its bitcoin: eight decimals, base unit the satoshi."""
        return Asset(id=f"{self.chain}/slip44:0", code="BTC", decimals=8, chain=self.chain)


_XPUB: Final = bytes.fromhex("0488b21e")
_TPUB: Final = bytes.fromhex("043587cf")

NETWORKS: Final = (
    Network("mainnet", "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f", 0, "bc", _XPUB, 0, 5),
    Network("testnet", "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943", 1, "tb", _TPUB, 111, 196),
    Network("signet", "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6", 1, "tb", _TPUB, 111, 196),
    Network("regtest", "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206", 1, "bcrt", _TPUB, 111, 196),
)
"""Every network, mainnet first. Testnet and signet share their prefixes: no address tells them apart."""

_KNOWN: Final = {key: network for network in NETWORKS for key in (network.name, network.chain)}


def network(name_or_chain: str) -> Network:
    """The network of this name (``regtest``) or CAIP-2 id. Raises ``InvalidInput`` for any other text."""
    found = _KNOWN.get(name_or_chain)
    if found is None:
        accepted = ", ".join(known.name for known in NETWORKS)
        raise InvalidInput(f"no such network; accepted is {accepted}, or its CAIP-2 id", field="network")
    return found
