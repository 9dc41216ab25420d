"""Who asked: an author's key, or an operator's passkey for the kinds that may be asked for at the console.

A passkey shows its owner a page and no words of its own, so a page that lies makes him sign something else. What pays
somebody, gives a payment up or says whose a vault is therefore has an author who read its words on a machine of his
own. What stops, what other people have to agree to first, and what moves nothing on a chain may be asked for by
passkey. Daemon, status service and cosigners go by the same list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from custody.evidence.passkeys import Assertion
from custody.evidence.requests import (
    RULE_CHANGES,
    BreakResolutionRequest,
    DestinationListingRequest,
    FreezeRequest,
    ManualEntryRequest,
    UnfreezeRequest,
)
from custody.evidence.signatures import Signature

AuthorSignature = Signature | Assertion

BY_PASSKEY: Final = frozenset(
    {
        *(FreezeRequest.kind, UnfreezeRequest.kind, BreakResolutionRequest.kind),
        *(DestinationListingRequest.kind, ManualEntryRequest.kind),
        *(each.kind for each in RULE_CHANGES),
    }
)
"""Kinds that an operator's passkey may ask for. A kind that is not named here takes a key."""

FEWEST_WHO_READ: Final = 2
"""Of the people who agree to a change of the rules that a passkey asked for: each reads it on a machine of his own, and
so no fewer people have read it than if its author had signed it with a key and one other had agreed."""


def parse_author_signature(value: object, *, field: str) -> AuthorSignature:
    """Read a key's signature, or a passkey's answer. Raises ``InvalidInput``."""
    if isinstance(value, Mapping) and "credential" in value:
        return Assertion.parse(value, field=field)
    return Signature.parse(value, field=field)
