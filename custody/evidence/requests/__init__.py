"""The request part of an intent: what a requester signs, outside the daemon, with a key the cosigners pin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from custody.evidence import fields
from custody.evidence.requests.money import (
    ManualEntryRequest,
    PledgeReleaseRequest,
    PledgeRequest,
    RespendRequest,
    StrayReturnRequest,
    SweepRequest,
    WithdrawalRequest,
)
from custody.evidence.requests.parties import (
    SEGREGATIONS,
    BreakResolutionRequest,
    ClientOpeningRequest,
    DestinationListingRequest,
    FreezeRequest,
    UnfreezeRequest,
)
from custody.evidence.requests.rules import (
    GroupChangeRequest,
    KeysetChangeRequest,
    OperatorChangeRequest,
    PolicyChangeRequest,
    RootChangeRequest,
    RuleChange,
)
from custody.evidence.requests.shape import FORMAT, Spelling, units
from custody.kernel.canonical import canonical_json, digest_bytes

Request = (
    WithdrawalRequest
    | RespendRequest
    | StrayReturnRequest
    | SweepRequest
    | ManualEntryRequest
    | PledgeRequest
    | PledgeReleaseRequest
    | ClientOpeningRequest
    | DestinationListingRequest
    | FreezeRequest
    | UnfreezeRequest
    | BreakResolutionRequest
    | OperatorChangeRequest
    | GroupChangeRequest
    | PolicyChangeRequest
    | KeysetChangeRequest
    | RootChangeRequest
)
_KINDS: Final[Mapping[str, type[Request]]] = {each.kind: each for each in Request.__args__}
RULE_CHANGES: Final = tuple(each for each in Request.__args__ if issubclass(each, RuleChange))
"""The kinds that ask for another version of the trust root."""
KINDS: Final = tuple(_KINDS)
"""Every kind of intent that can be asked for."""


def parse_request(value: object, *, field: str = "request") -> Request:
    """Read a request of any kind that exists. An unknown kind is refused by name."""
    kind = value.get("kind") if isinstance(value, dict) else None
    return _KINDS[fields.one_of(kind, KINDS, field=f"{field}.kind")].parse(value, field=field)


def spelling_of(kind: str) -> Mapping[str, Spelling]:
    """How the fields of a kind there is are spelled, in the order people read them."""
    return _KINDS[kind].spelling


def request_message(request: Request | RuleChange) -> bytes:
    """The 32 bytes a requester's Ed25519 key signs."""
    return digest_bytes("request", canonical_json(request.to_json()))


def client_of(request: Request) -> str | None:
    """Whose money or list a request is about; ``None`` where it is about the house or about several."""
    return getattr(request, "client", None)


__all__ = [
    "FORMAT",
    "KINDS",
    "RULE_CHANGES",
    "SEGREGATIONS",
    "BreakResolutionRequest",
    "ClientOpeningRequest",
    "DestinationListingRequest",
    "FreezeRequest",
    "GroupChangeRequest",
    "KeysetChangeRequest",
    "ManualEntryRequest",
    "OperatorChangeRequest",
    "PledgeReleaseRequest",
    "PledgeRequest",
    "PolicyChangeRequest",
    "Request",
    "RespendRequest",
    "RootChangeRequest",
    "RuleChange",
    "StrayReturnRequest",
    "SweepRequest",
    "UnfreezeRequest",
    "WithdrawalRequest",
    "client_of",
    "parse_request",
    "request_message",
    "spelling_of",
    "units",
]
