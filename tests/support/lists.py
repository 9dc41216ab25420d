"""Lists of destinations in test worlds: requests, their proofs, and a world where only what is listed is paid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from custody.evidence.bundle import Bundle, Payment
from custody.evidence.intents import Intent, in_the_house
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import DestinationListingRequest, Request, request_message
from custody.evidence.signatures import sign_ed25519
from custody.evidence.trust_root import TrustRoot
from tests.cosigner.builders import DEMO_POLICY, NOW, REGTEST, World, address, approval, key_id, person_key

LISTED_ONLY = DEMO_POLICY.replace("destination: [listed, new]", "destination: listed")
"""The demo's policy, where nothing is paid to a destination that is not listed."""
COOLING = timedelta(hours=6)
AGREED_AT = NOW - timedelta(days=2)


@dataclass(frozen=True)
class ListedWorld(World):
    """The usual world, where only listed destinations are paid and a listing cools off for some hours."""

    policy: str = LISTED_ONLY

    @cached_property
    def root(self) -> TrustRoot:
        """Version 1."""
        return replace(super().root, cooling_seconds=int(COOLING.total_seconds()))

    def paying(self, *listings: ProvenIntent, told: str = "listed", **changes: Any) -> Bundle:
        """Client ``acme`` pays 0.02 BTC to somebody; the daemon says how the destination stands."""
        request = self.withdrawal("acme", 2_000_000)
        payment = Payment(self.prove(request, branch=7), self.decision(request, destination=told))
        psbt = self.transaction([payment], [self.coin(7, 10_000_000)], fee_sat=3_000)
        made = self.bundle([payment], [self.opening("acme", 7)], psbt, listings=tuple(listings))
        return replace(made, **changes)


def listing(client: str = "acme", **changes: Any) -> DestinationListingRequest:
    """What puts somebody's address on the client's list."""
    request = DestinationListingRequest(
        requester="exchange",
        client=client,
        chain=REGTEST.chain,
        destination=address("somebody"),
        label="the cold wallet",
        action="list",
        purpose="monthly",
        not_after=AGREED_AT + timedelta(days=1),
        idempotency_key=f"list-{client}",
    )
    return replace(request, **changes)


def proved(
    request: Request,
    *,
    approvers: Iterable[str] = ("alice",),
    rejecters: Iterable[str] = (),
    signer: str = "",
    at: datetime = AGREED_AT,
    intent: Intent | None = None,
) -> ProvenIntent:
    """The intent of a request that takes place in the house, signed and agreed to."""
    intent = in_the_house(request) if intent is None else intent
    who = signer or request.requester
    said = [(name, "approve") for name in approvers] + [(name, "reject") for name in rejecters]
    return ProvenIntent(
        intent=intent,
        request_signature=sign_ed25519(person_key(who), key_id(who), request_message(request)),
        approvals=tuple(
            approval(name, intent.digest, verdict=verdict, given_at=at, not_after=request.not_after)
            for name, verdict in said
        ),
    )
