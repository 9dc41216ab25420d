"""Keccak-256 as Ethereum uses it (the padding from before FIPS 202), and the names derived from it."""

from __future__ import annotations

from sha3 import keccak_256


def keccak(data: bytes) -> bytes:
    """The 32 bytes of Keccak-256."""
    return keccak_256(data).digest()


def selector(signature: str) -> bytes:
    """The four bytes a call begins with: ``transfer(address,uint256)`` is ``a9059cbb``."""
    return keccak(signature.encode("ascii"))[:4]


def topic(signature: str) -> bytes:
    """The 32 bytes a log of this event has as its first topic."""
    return keccak(signature.encode("ascii"))
