"""Addresses as other rooms see them, the two derivations, and the seal that says they agreed."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from custody.chains.bitcoin.offline.descriptor import BranchDescriptor, DerivedScript, confirm
from custody.kernel.canonical import canonical_json


class AddressState(StrEnum):
    """``stock``: derived and nobody's; ``issued``: handed out; ``burned``: never to be handed out."""

    STOCK = "stock"
    ISSUED = "issued"
    BURNED = "burned"


@dataclass(frozen=True, slots=True)
class DepositAddress:
    """An address as it may be shown: its seal was checked. ``client`` is None for change."""

    id: int
    vault: str
    client: str | None
    change: bool
    index: int
    address: str
    script_pubkey: bytes
    issued_at: datetime | None


@dataclass(frozen=True, slots=True)
class OwnedScript:
    """Whose a script is. ``client`` is None for change, and for what nobody was ever given."""

    address_id: int
    vault: str
    client: str | None
    change: bool
    index: int
    state: AddressState


@dataclass(frozen=True, slots=True)
class StockPlan:
    """Which scripts to derive next for one chain (receive or change) of one vault."""

    vault: str
    branch: int
    change: bool
    indexes: range
    descriptor: BranchDescriptor
    keyset_hash: str


def derive(descriptor: BranchDescriptor, *, change: bool, indexes: range) -> tuple[DerivedScript, ...]:
    """Derive ``indexes`` and confirm each by the second library. Raises ``DerivationMismatch``."""
    found = tuple(descriptor.derive(change=change, index=index) for index in indexes)
    for derived in found:
        confirm(derived, descriptor)
    return found


def seal_of(
    key: bytes,
    *,
    vault: str,
    keyset_hash: str,
    branch: int,
    change: bool,
    index: int,
    script_pubkey: bytes,
    address: str,
) -> bytes:
    """HMAC-SHA256 over everything an address is, under a key that is not in the database."""
    said = {
        "vault": vault,
        "keyset": keyset_hash,
        "branch": branch,
        "change": change,
        "index": index,
        "script": script_pubkey.hex(),
        "address": address,
    }
    return hmac.digest(key, b"custody/address-seal/v1\0" + canonical_json(said), "sha256")
