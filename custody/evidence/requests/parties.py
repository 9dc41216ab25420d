"""Requests about who may have what, and who is stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from custody.evidence.requests.shape import NAME, TEXT, Spelled, Spelling, one_of, reasoned, spelled, text_of, whole

SEGREGATIONS: Final = ("segregated", "omnibus")
LISTING: Final = ("list", "delist")
SCOPES: Final = ("client", "vault", "asset", "everything")
"""What can be frozen. ``everything`` has the subject ``everything``."""
RESOLUTIONS: Final = ("explained", "corrected")


@dataclass(frozen=True, slots=True)
class ClientOpeningRequest(Spelled):
    """Open ``client``: from now on branch ``branch`` of ``keyset`` is its vault, or the pool it shares."""

    kind: ClassVar[str] = "client_opening"
    spelling: ClassVar[Mapping[str, Spelling]] = spelled(
        client=NAME, name=text_of(80), segregation=one_of(*SEGREGATIONS), keyset=NAME, branch=whole()
    )

    requester: str
    client: str
    name: str
    segregation: str
    keyset: str
    branch: int
    not_after: datetime
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class DestinationListingRequest(Spelled):
    """Put ``destination`` on ``chain`` (CAIP-2) on ``client``'s list, or take it off (``action``)."""

    kind: ClassVar[str] = "destination_listing"
    spelling: ClassVar[Mapping[str, Spelling]] = reasoned(
        client=NAME, chain=NAME, destination=TEXT, label=text_of(80), action=one_of(*LISTING)
    )

    requester: str
    client: str
    chain: str
    destination: str
    label: str
    action: str
    purpose: str
    not_after: datetime
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class FreezeRequest(Spelled):
    """Stop a client, a vault, an asset or everything: nothing of it is paid until an ``unfreeze``."""

    kind: ClassVar[str] = "freeze"
    spelling: ClassVar[Mapping[str, Spelling]] = reasoned(scope=one_of(*SCOPES), subject=NAME)

    requester: str
    scope: str
    subject: str
    purpose: str
    not_after: datetime
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class UnfreezeRequest(Spelled):
    """Let what was frozen go again. Takes a quorum, where stopping took one."""

    kind: ClassVar[str] = "unfreeze"
    spelling: ClassVar[Mapping[str, Spelling]] = reasoned(scope=one_of(*SCOPES), subject=NAME)

    requester: str
    scope: str
    subject: str
    purpose: str
    not_after: datetime
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class BreakResolutionRequest(Spelled):
    """Close the break ``subject``: it is explained, or was corrected by an entry. Its vault may pay again."""

    kind: ClassVar[str] = "break_resolution"
    spelling: ClassVar[Mapping[str, Spelling]] = reasoned(subject=NAME, resolution=one_of(*RESOLUTIONS))

    requester: str
    subject: str
    resolution: str
    purpose: str
    not_after: datetime
    idempotency_key: str
