"""The few scripts of a vault: sorted multisig (BIP-67), its P2WSH output (BIP-141), and how to read them back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from embit import hashes

from custody.kernel.errors import InvalidInput

MAX_MEMBERS: Final = 15
"""Most keys in one multisig script here."""

_CHECKMULTISIG: Final = 0xAE


class Multisig(NamedTuple):
    """What a multisig script says: how many of which keys, in script order."""

    threshold: int
    pubkeys: tuple[bytes, ...]


def sorted_multisig_script(threshold: int, pubkeys: Sequence[bytes]) -> bytes:
    """``m <key>… n CHECKMULTISIG`` with the keys in the order of their bytes (BIP-67).

    ``pubkeys`` are compressed (33 bytes); uncompressed ones (65) are sorted and pushed alike, as a bare script may
    hold them, but no P2WSH spends with those. Raises ``InvalidInput`` for 0 or more than 15 keys, a key of another
    length, or a threshold that is not between 1 and their number.
    """
    if not 1 <= len(pubkeys) <= MAX_MEMBERS:
        raise InvalidInput(f"{len(pubkeys)} keys; accepted is 1 to {MAX_MEMBERS}", field="keys")
    if not 1 <= threshold <= len(pubkeys):
        raise InvalidInput(f"{threshold} of {len(pubkeys)}; accepted is 1 to the number of keys", field="threshold")
    if any(len(pubkey) not in (33, 65) for pubkey in pubkeys):
        raise InvalidInput("not a public key; accepted is 33 bytes each", field="keys")
    pushes = b"".join([bytes([len(pubkey)]) + pubkey for pubkey in sorted(pubkeys)])
    return bytes([0x50 + threshold]) + pushes + bytes([0x50 + len(pubkeys), _CHECKMULTISIG])


def read_multisig(script: bytes) -> Multisig | None:
    """The threshold and keys of a multisig script over compressed keys, in any order; ``None`` if it is not one."""
    if len(script) < 37 or (len(script) - 3) % 34 or script[-1] != _CHECKMULTISIG:
        return None
    members, threshold = (len(script) - 3) // 34, script[0] - 0x50
    if script[-2] - 0x50 != members or not 1 <= threshold <= members <= MAX_MEMBERS:
        return None
    pushes = [script[1 + 34 * place : 35 + 34 * place] for place in range(members)]
    if any(push[0] != 0x21 for push in pushes):
        return None
    return Multisig(threshold, tuple(push[1:] for push in pushes))


def p2wsh_script(witness_script: bytes) -> bytes:
    """The output script that pays to ``witness_script``: version 0 and its SHA-256 (BIP-141)."""
    return b"\x00\x20" + hashlib.sha256(witness_script).digest()


def p2sh_script(redeem_script: bytes) -> bytes:
    """The output script that pays to ``redeem_script``: its HASH160 (BIP-16)."""
    return b"\xa9\x14" + hash160(redeem_script) + b"\x87"


def hash160(payload: bytes) -> bytes:
    """RIPEMD-160 of SHA-256 (embit brings RIPEMD-160 where OpenSSL has dropped it)."""
    digest: bytes = hashes.hash160(payload)
    return digest


def push(data: bytes) -> bytes:
    """The shortest script push of ``data``, up to 520 bytes (BIP-62 rule 3)."""
    if not data:
        return b"\x00"
    if len(data) < 0x4C:
        return bytes([len(data)]) + data
    if len(data) <= 0xFF:
        return b"\x4c" + bytes([len(data)]) + data
    return b"\x4d" + len(data).to_bytes(2, "little") + data
