"""Vaults as other rooms see them, and the checks a keyset passes before anything is derived from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from custody.chains.registry import addressing
from custody.evidence.keysets import Keyset, check_consents
from custody.evidence.signatures import Signature
from custody.stops.model import Cause

SEGREGATED = "segregated"
POOL = "pool"
HOUSE = "house"
"""A place of the house's own money, which no keyset is behind: it pays fees."""


@dataclass(frozen=True, slots=True)
class Vault:
    """One branch of a keyset. ``id`` is ``<keyset>/<branch>``, as intents write it.

    A place of the house's own has no keyset: there it is empty, the branch 0, and the id a name of its own.
    """

    id: str
    keyset: str
    branch: int
    chain: str
    kind: str
    """``segregated`` (one client), ``pool`` (omnibus clients share it) or ``house`` (its own)."""
    frozen_reason: str | None
    frozen_at: datetime | None
    reconciled_height: int | None
    reconciled_at: datetime | None
    opened_at: datetime
    frozen_cause: str | None = None
    """``break``, ``rules`` or ``people``, where it is frozen."""

    @property
    def is_frozen(self) -> bool:
        """Whether nothing may be spent from it now."""
        return self.frozen_at is not None

    @property
    def is_in_doubt(self) -> bool:
        """Whether what is in it, or who rules it, is not what the books say: frozen by other than people's word."""
        return self.frozen_reason is not None and self.frozen_cause != Cause.PEOPLE


@dataclass(frozen=True, slots=True)
class Member:
    """A client of a vault."""

    client: str
    vault: str
    opening: str
    """Digest of the intent that put the client here."""
    since: datetime


def check_keyset(keyset: Keyset, consents: tuple[Signature, ...]) -> None:
    """The descriptor is rebuilt from the account keys and is the one every cosigner signed.

    Raises ``KeysetRefused`` where key, point and descriptor differ, ``InvalidInput`` for a chain nobody serves or a
    key that is none of it, ``ProofRefused`` for a consent that is missing or of other keys.
    """
    addressing(keyset.chain).check_keyset(keyset)
    check_consents(keyset, consents)
