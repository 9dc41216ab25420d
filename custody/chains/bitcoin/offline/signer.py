"""Making one signature. Only the cosigner's keys module imports this: the daemon has no secret to give it."""

from __future__ import annotations

import coincurve

from custody.chains.bitcoin.offline.sighash import ALL


def signature_over(digest: bytes, secret: bytes) -> bytes:
    """ECDSA over a 32-byte sighash digest: DER, low s, deterministic (RFC 6979), with the sighash byte ALL behind it.

    ``secret`` is a 32-byte private key; ``ValueError`` from the library when it is out of range.
    """
    if len(digest) != 32 or len(secret) != 32:
        raise ValueError("digest and secret are 32 bytes each")
    return message_signature(digest, secret) + bytes([ALL])


def message_signature(digest: bytes, secret: bytes) -> bytes:
    """The same signature without a sighash byte, for statements such as a proof of possession."""
    signature: bytes = coincurve.PrivateKey(secret).sign(digest, hasher=None)
    return signature
