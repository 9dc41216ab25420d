"""Addresses from a keyset's public keys alone, on either chain: no node, no database, nobody's word."""

from __future__ import annotations

from custody.chains.bitcoin.offline.descriptor import BranchDescriptor
from custody.chains.bitcoin.offline.members import parse_member
from custody.chains.bitcoin.offline.network import network as bitcoin_network
from custody.chains.ethereum.offline.descriptor import AccountKey
from custody.chains.ethereum.offline.network import network as ethereum_network
from custody.chains.ethereum.offline.proxy import Safes, SafeSetup, salt_nonce
from custody.evidence.keysets import Keyset
from custody.kernel.money import Asset

_BITCOIN = "bip122:"


def native_asset(chain: str) -> Asset:
    """What fees are paid in on ``chain`` (CAIP-2). Raises ``InvalidInput`` for a chain nobody knows."""
    return bitcoin_network(chain).asset if chain.startswith(_BITCOIN) else ethereum_network(chain).asset


def chain_name(chain: str) -> str:
    """The short name of ``chain`` (CAIP-2). Raises ``InvalidInput`` for a chain nobody knows."""
    return bitcoin_network(chain).name if chain.startswith(_BITCOIN) else ethereum_network(chain).name


def deposit_address(keyset: Keyset, *, client: str, branch: int, index: int) -> str:
    """The address of this place: of a descriptor's branch (BIP-380), or of a Safe by CREATE2 (EIP-1014).

    Raises ``CustodyError`` where the keyset gives none.
    """
    if keyset.chain.startswith(_BITCOIN):
        where = bitcoin_network(keyset.chain)
        keys = tuple(parse_member(each.account_key, network=where) for each in keyset.cosigners)
        descriptor = BranchDescriptor(keyset.threshold, keys, branch, where, keyset.layout)
        return descriptor.derive(change=False, index=index).address
    owners = [AccountKey.parse(each.account_key).address for each in keyset.cosigners]
    network = ethereum_network(keyset.chain)
    salt = salt_nonce(keyset=keyset.id, client=client, index=index, network=network)
    return Safes(SafeSetup.of(owners, keyset.threshold)).address(salt)
