"""Which destinations are on a client's list: by intents that people agreed to, never by the daemon's word.

A listing that is withdrawn, or rests on a key that counts no more, lists nothing; one that is not proved is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from custody.cosigner.freshness import expect_not_revoked
from custody.cosigner.lineage import Version
from custody.cosigner.ownership import Owners
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.cosigner.remembered import MemoryView
from custody.evidence.agreement import hear, shortfall
from custody.evidence.approvals import ApprovalRefused
from custody.evidence.bundle import Bundle
from custody.evidence.check import RequestRefused, check_author
from custody.evidence.intents import in_the_house
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import DestinationListingRequest
from custody.evidence.status import Status
from custody.evidence.trust_root import TrustRoot
from policies.document import Document
from policies.engine import evaluate
from policies.facts import Facts, nothing_used


@dataclass(frozen=True, slots=True)
class Listings:
    """What this bundle proves of lists."""

    counts_from: Mapping[tuple[str, str, str], datetime] = field(default_factory=dict)
    """Client, chain and canonical destination to the moment from which it counts as listed."""
    delays: Mapping[str, int] = field(default_factory=dict)
    """Listing's digest to the seconds that policy makes it wait."""

    def standing(self, *, client: str, chain: str, destination: str, now: datetime) -> str:
        """As the policy sees it: ``listed``, ``cooling`` or ``new``."""
        since = self.counts_from.get((client, chain, destination))
        if since is None:
            return "new"
        return "listed" if now >= since else "cooling"


@dataclass(frozen=True, slots=True)
class _Agreed:
    """What one version of the trust root says of a listing."""

    delay_seconds: int
    at: datetime | None
    """When the last of the people agreed; ``None`` where policy asks for nobody."""


def check_listings(
    bundle: Bundle, *, versions: Sequence[Version], status: Status, owners: Owners, memory: MemoryView, now: datetime
) -> Listings:
    """Check each listing in the bundle under whichever proved version of the trust root accepts it, the newest first.

    Its cooling-off is the newest version's, and counts from the last person's agreement; where policy asks for nobody,
    from when this program first saw it. Raises ``CosignerRefusal``.
    """
    counts_from, delays = dict[tuple[str, str, str], datetime](), dict[str, int]()
    ended = set[tuple[str, str, str]]()
    cooling = timedelta(seconds=versions[-1].root.cooling_seconds)
    for proven in bundle.listings:
        request = _read(proven)
        place, digest = (request.client, request.chain, request.destination), proven.intent.digest
        agreed = _expect_agreed(proven, request, owners, versions, now)
        if request.action != "list":
            ended.add(place)
        elif digest not in status.withdrawn and _keys_count(status, proven):
            since = agreed.at or memory.first_seen(digest) or now
            counts_from[place] = since + cooling
            delays[digest] = agreed.delay_seconds
    return Listings({place: since for place, since in counts_from.items() if place not in ended}, delays)


def _read(proven: ProvenIntent) -> DestinationListingRequest:
    request = proven.intent.request
    if not isinstance(request, DestinationListingRequest):
        raise CosignerRefusal(Reason.LISTING_NOT_PROVEN, f"a {request.kind} stands among the listings")
    if proven.intent != in_the_house(request):
        raise CosignerRefusal(Reason.LISTING_NOT_PROVEN, f"a listing of {request.client} names a chain and a vault")
    return request


def _keys_count(status: Status, proven: ProvenIntent) -> bool:
    try:
        expect_not_revoked(status, proven)
    except CosignerRefusal:
        return False
    return True


def _expect_agreed(
    proven: ProvenIntent,
    request: DestinationListingRequest,
    owners: Owners,
    versions: Sequence[Version],
    now: datetime,
) -> _Agreed:
    refusals: list[CosignerRefusal] = []
    for version in reversed(versions):
        document = version.document
        if document is None:
            continue
        try:
            return _judge(proven, request, owners, version.root, document, now)
        except CosignerRefusal as refusal:
            refusals.append(refusal)
    raise refusals[0]


def _judge(
    proven: ProvenIntent,
    request: DestinationListingRequest,
    owners: Owners,
    root: TrustRoot,
    document: Document,
    now: datetime,
) -> _Agreed:
    whose = f"a listing of {request.client}"
    try:
        check_author(request, proven.request_signature, root=root, now=now)
    except RequestRefused as error:
        raise CosignerRefusal(Reason.LISTING_NOT_PROVEN, f"{whose}: {error}") from error
    try:
        heard = hear(proven, root=root, now=now)
    except ApprovalRefused as error:
        raise CosignerRefusal(Reason.LISTING_NOT_APPROVED, f"{whose}: {error}") from error
    facts = Facts(
        kind=request.kind,
        requester=request.requester,
        now=heard.last_at or now,
        client=request.client,
        client_status="active",
        segregation=owners.segregation_of(request.client),
        chain=request.chain,
    )
    decision = evaluate(document, facts, nothing_used)
    short = shortfall(decision, document, root, heard, requester=request.requester)
    if short is not None:
        raise CosignerRefusal(Reason.LISTING_NOT_APPROVED, f"{whose}: {short[1]}")
    return _Agreed(decision.obligations.delay_seconds, heard.last_at)
