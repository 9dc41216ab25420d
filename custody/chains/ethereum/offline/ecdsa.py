"""Recovering who signed a digest: ECDSA over secp256k1 with the recovery bit, s in its lower half (EIP-2)."""

from __future__ import annotations

from typing import Final

import coincurve

from custody.chains.ethereum.offline.address import checksum_address
from custody.chains.ethereum.offline.keccak import keccak

ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def recover_address(digest: bytes, *, r: int, s: int, parity: int) -> str | None:
    """The address whose key made this signature over a 32-byte digest, ``None`` when no key did.

    Never raises for numbers out of range or a high s: they are no signature.
    """
    if len(digest) != 32 or parity not in (0, 1) or not 0 < r < ORDER or not 0 < s <= ORDER // 2:
        return None
    compact = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([parity])
    try:
        key = coincurve.PublicKey.from_signature_and_message(compact, digest, hasher=None)
    except ValueError:
        return None
    return address_of_key(key.format(compressed=False))


def address_of_key(public_key: bytes) -> str:
    """The address of a public key, compressed or not. Raises ``ValueError`` for bytes that are no key."""
    point: bytes = coincurve.PublicKey(public_key).format(compressed=False)
    return checksum_address(keccak(point[1:])[12:])
