"""Making one signature. Only the cosigner's keys module imports this: the daemon has no secret to give it."""

from __future__ import annotations

import coincurve


def signature_over(digest: bytes, secret: bytes) -> bytes:
    """ECDSA over a 32-byte digest: r, s (low), v (27 or 28), 65 bytes, deterministic (RFC 6979).

    ``secret`` is a 32-byte private key; ``ValueError`` from the library when it is out of range.
    """
    if len(digest) != 32 or len(secret) != 32:
        raise ValueError("digest and secret are 32 bytes each")
    compact: bytes = coincurve.PrivateKey(secret).sign_recoverable(digest, hasher=None)
    return compact[:64] + bytes([27 + compact[64]])
