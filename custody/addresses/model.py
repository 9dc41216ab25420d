"""Addresses as other rooms see them, the two derivations, and the seal that says they agreed."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from custody.chains.addressing import AddressSource, Derived, Rules, confirm
from custody.chains.registry import addressing
from custody.kernel.canonical import canonical_json


class AddressState(StrEnum):
    """``stock``: derived and nobody's; ``issued``: handed out; ``burned``: never will be; ``house``: its own."""

    STOCK = "stock"
    ISSUED = "issued"
    BURNED = "burned"
    HOUSE = "house"


@dataclass(frozen=True, slots=True)
class DepositAddress:
    """An address as it may be shown: its seal was checked. ``client`` is None for change."""

    id: int
    vault: str
    client: str | None
    change: bool
    index: int
    address: str
    locator: bytes
    issued_at: datetime | None


@dataclass(frozen=True, slots=True)
class OwnedAddress:
    """Whose a locator is. ``client`` is None for change, and for what nobody was ever given."""

    address_id: int
    vault: str
    client: str | None
    change: bool
    index: int
    state: AddressState
    chain: str
    """Of its vault. What arrives there on another chain is astray."""


@dataclass(frozen=True, slots=True)
class Ruled:
    """An address of ours with what its keyset says of it, to be compared with what stands on the chain."""

    vault: str
    place: Rules


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address of ours is, for whoever derives it anew before anything is spent from it."""

    address_id: int
    address: str
    locator: bytes
    index: int
    client: str | None


@dataclass(frozen=True, slots=True)
class StockPlan:
    """Which addresses to derive next for one series (receive or change) of one vault."""

    vault: str
    branch: int
    kept_for: str
    """The client, where an address is made for one; empty where it is nobody's until it is handed out."""
    change: bool
    indexes: range
    source: AddressSource
    keyset_hash: str


def keeper(chain: str, client: str) -> str:
    """Whose stock on ``chain`` an address for ``client`` comes from: its own where addresses are personal, else ''."""
    return client if addressing(chain).personal else ""


def derive(plan: StockPlan) -> tuple[Derived, ...]:
    """Derive what is planned and confirm each by a second computation. Raises ``DerivationMismatch``."""
    client, change = plan.kept_for or None, plan.change
    found = tuple(plan.source.derive(client=client, change=change, index=index) for index in plan.indexes)
    for derived in found:
        confirm(derived, plan.source, client=client, change=change)
    return found


def seal_of(
    key: bytes,
    *,
    vault: str,
    keyset_hash: str,
    branch: int,
    kept_for: str,
    change: bool,
    index: int,
    locator: bytes,
    address: str,
) -> bytes:
    """HMAC-SHA256 over everything an address is, under a key that is not in the database."""
    said: dict[str, str | int] = {
        "vault": vault,
        "keyset": keyset_hash,
        "branch": branch,
        "change": change,
        "index": index,
        "script": locator.hex(),
        "address": address,
    }
    if kept_for:
        said["client"] = kept_for
    return hmac.digest(key, b"custody/address-seal/v1\0" + canonical_json(said), "sha256")
