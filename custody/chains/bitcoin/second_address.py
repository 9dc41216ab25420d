"""The second computation of a vault's address, by bdkpython (rust-miniscript): it shares no code with ``offline``."""

from __future__ import annotations

from functools import lru_cache

import bdkpython

from custody.chains.addressing import DerivationMismatch
from custody.chains.bitcoin.offline.descriptor import BranchDescriptor
from custody.chains.bitcoin.offline.foreign import ForeignRefusal, foreign


def derive_independently(descriptor: BranchDescriptor, *, change: bool, index: int) -> str:
    """The address from the exported text alone.

    Raises ``DerivationMismatch`` when the other library does not accept what we export.
    """
    text = descriptor.change_text if change else descriptor.receive_text
    position = descriptor.position(index)
    try:
        return foreign(lambda: _foreign_address(text, position, descriptor.network.name))
    except ForeignRefusal as error:
        raise DerivationMismatch("the second library refuses our descriptor", index=index) from error


def _foreign_address(text: str, index: int, network_name: str) -> str:
    return str(_foreign_descriptor(text, network_name).derive_address(index, _foreign_network(network_name)))


@lru_cache(maxsize=256)
def _foreign_descriptor(text: str, network_name: str) -> bdkpython.Descriptor:
    kind = bdkpython.NetworkKind.MAIN if network_name == "mainnet" else bdkpython.NetworkKind.TEST
    return bdkpython.Descriptor(text, kind)


def _foreign_network(network_name: str) -> bdkpython.Network:
    return bdkpython.Network.BITCOIN if network_name == "mainnet" else bdkpython.Network[network_name.upper()]
