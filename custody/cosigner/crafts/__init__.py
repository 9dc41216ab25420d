"""The chains this program signs for, one module each, found by the network of the key."""

from __future__ import annotations

from functools import lru_cache

from custody.chains.bitcoin.offline import network as bitcoin
from custody.cosigner.craft import Craft
from custody.cosigner.crafts.bitcoin import BitcoinCraft
from custody.cosigner.crafts.ethereum import EthereumCraft
from custody.cosigner.networks import Network


@lru_cache
def craft_of(network: Network) -> Craft:
    """The craft of this network."""
    if isinstance(network, bitcoin.Network):
        return BitcoinCraft(network)
    return EthereumCraft(network)
