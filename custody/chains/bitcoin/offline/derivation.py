"""From parent keys and an index to a P2WSH script and its address: the hot path of deposit addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from custody.chains.bitcoin.offline.encoding import segwit_encode
from custody.chains.bitcoin.offline.keys import ExtendedKey
from custody.chains.bitcoin.offline.network import Network
from custody.chains.bitcoin.offline.script import p2wsh_script, sorted_multisig_script


@dataclass(frozen=True, slots=True)
class DerivedScript:
    """One script of a vault, with everything needed to watch it and to spend from it."""

    address: str
    script_pubkey: bytes
    witness_script: bytes
    pubkeys: tuple[bytes, ...]
    """In the order of the keyset, not of the script."""
    change: bool
    index: int


def derive_script(
    *, threshold: int, pubkeys: Sequence[bytes], network: Network, change: bool, index: int
) -> DerivedScript:
    """``wsh(sortedmulti(threshold, pubkeys))`` as script and address on ``network``."""
    witness_script = sorted_multisig_script(threshold, pubkeys)
    script_pubkey = p2wsh_script(witness_script)
    address = segwit_encode(network.hrp, 0, script_pubkey[2:])
    return DerivedScript(address, script_pubkey, witness_script, tuple(pubkeys), change, index)


def child_public_keys(parents: Sequence[ExtendedKey | bytes], index: int) -> list[bytes]:
    """The ``index``-th unhardened child of each parent, in the same order; a fixed key stays as it is."""
    return [parent if isinstance(parent, bytes) else parent.child_public_key(index) for parent in parents]
