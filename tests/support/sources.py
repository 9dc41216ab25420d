"""Pinned services and what they state: prices and screenings, signed with keys that are the same in every run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custody.evidence.signatures import public_half, sign_ed25519
from custody.evidence.statements import Price, Screening, SignedStatement, message_of
from custody.evidence.trust_root import Service

PRICE_SOURCES = ("ticker-1", "ticker-2", "ticker-3")
SCREENER = "screener-1"
PICOS = 10**12


def service_key(service: str) -> Ed25519PrivateKey:
    """A service's key."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"service {service}".encode()).digest())


def service_key_id(service: str) -> str:
    """The id that key is pinned under."""
    return f"{service}.key"


def service(name: str, *roles: str) -> Service:
    """A service as the trust root pins it."""
    return Service(name, roles, (public_half(service_key(name), service_key_id(name)),))


def sources(prices: Iterable[str] = PRICE_SOURCES, screening: Iterable[str] = (SCREENER,)) -> tuple[Service, ...]:
    """Services for prices and for screening."""
    return (*(service(name, "prices") for name in prices), *(service(name, "screening") for name in screening))


def stated(statement: Price | Screening, by: str, *, key: str | None = None) -> SignedStatement:
    """A statement signed by a service, or with another's key."""
    signer = key or by
    return SignedStatement(statement, by, sign_ed25519(service_key(signer), service_key_id(by), message_of(statement)))


def price(asset: str, usd: int, at: datetime, *, by: str = PRICE_SOURCES[0], **changes: Any) -> SignedStatement:
    """``by`` states that a whole unit is worth so many dollars."""
    return stated(Price(asset, usd * PICOS, at), by, **changes)


def prices(asset: str, usd: int, at: datetime, *, by: Iterable[str] = PRICE_SOURCES) -> list[SignedStatement]:
    """Every one of ``by`` states the same."""
    return [price(asset, usd, at, by=name) for name in by]


def screening(
    chain: str, destination: str, result: str, at: datetime, *, by: str = SCREENER, **changes: Any
) -> SignedStatement:
    """``by`` states what it found of a destination."""
    return stated(Screening(chain, destination, result, at), by, **changes)
