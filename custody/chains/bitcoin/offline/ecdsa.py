"""Checking ECDSA signatures over secp256k1: strict DER (BIP-66), low s (BIP-146). Nothing here signs."""

from __future__ import annotations

from typing import Final

import coincurve

ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def verify_message(pubkey: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (DER, low s, no sighash byte) over the 32-byte ``digest`` is by ``pubkey``.

    Never raises: a malformed key, digest or signature is not a signature.
    """
    if len(digest) != 32 or not is_strict_der(signature):
        return False
    try:
        return bool(coincurve.PublicKey(pubkey).verify(signature, digest, hasher=None))
    except ValueError:
        return False


def is_strict_der(signature: bytes) -> bool:
    """Whether these bytes are the one DER form of (r, s) that standard policy relays: minimal, positive, s low."""
    if not 8 <= len(signature) <= 72 or signature[0] != 0x30 or signature[1] != len(signature) - 2:
        return False
    r_end = 4 + signature[3]
    if r_end + 2 > len(signature) or r_end + 2 + signature[r_end + 1] != len(signature):
        return False
    r, s = _positive(signature[2], signature[4:r_end]), _positive(signature[r_end], signature[r_end + 2 :])
    return r is not None and s is not None and r < ORDER and s <= ORDER // 2


def is_public_key(pubkey: bytes) -> bool:
    """Whether these bytes are a compressed point on the curve."""
    if len(pubkey) != 33 or pubkey[0] not in (2, 3):
        return False
    try:
        coincurve.PublicKey(pubkey)
    except ValueError:
        return False
    return True


def _positive(tag: int, body: bytes) -> int | None:
    if tag != 2 or not body or body[0] & 0x80 or (len(body) > 1 and body[0] == 0 and not body[1] & 0x80):
        return None
    return int.from_bytes(body, "big") or None
