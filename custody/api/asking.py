"""What ``POST /v1/intents`` asks of whom: one table, from the kind of a signed request to the room that takes it.

A room that needs more than the request reads it from the attachments, by name. What the chain must be asked first is
asked before the unit is opened (``LOOKS``), and handed over as what was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from custody.approvals import queries as intents
from custody.approvals.asking import Asked
from custody.bootstrap import Runtime
from custody.chains.registry import has_coins
from custody.changes import operations as changes
from custody.corrections import operations as corrections
from custody.evidence.authorship import AuthorSignature
from custody.evidence.requests import (
    RULE_CHANGES,
    BreakResolutionRequest,
    ClientOpeningRequest,
    DestinationListingRequest,
    FreezeRequest,
    ManualEntryRequest,
    PledgeReleaseRequest,
    PledgeRequest,
    Request,
    RespendRequest,
    StrayReturnRequest,
    SweepRequest,
    UnfreezeRequest,
    WithdrawalRequest,
)
from custody.freezes import operations as freezes
from custody.kernel.errors import InvalidInput, Refused, Unavailable
from custody.listings import operations as listings
from custody.openings import operations as openings
from custody.reconciliation import resolving
from custody.returns import operations as returns
from custody.trust.operations import InForce
from custody.views.lookalikes import BOTH_ENDS, PAID, twins
from custody.withdrawals import operations as withdrawals


class NotBuilt(Refused):
    """The kind has its fields and words, and nothing carries it out yet."""

    code = "not-built"


@dataclass(frozen=True, slots=True)
class Enquiry:
    """One signed request in an open unit, and what it is judged with."""

    session: Session
    request: Any
    """Of the kind it is filed under in ``ROOMS``."""
    signature: AuthorSignature
    trust: InForce
    attachments: Mapping[str, Any]
    """What was sent beside it, by name: nothing of it is believed."""
    seen: Mapping[str, Any]
    """What the chain said beforehand, by name."""
    correlation_id: str
    now: datetime

    @property
    def told(self) -> dict[str, Any]:
        """What every room asks for, by the names rooms use."""
        return {"request": self.request, "signature": self.signature, "trust": self.trust, "now": self.now}

    def expect_no_attachments(self) -> None:
        """Raise ``InvalidInput`` where something was sent that the kind does not read."""
        if self.attachments:
            raise InvalidInput(f"a {self.request.kind} has none", field="attachments")


Room = Callable[[Enquiry], Asked]
Look = Callable[[Runtime, Any], Mapping[str, Any]]


def ask(enquiry: Enquiry) -> Asked:
    """Have the room of the request's kind take it. Raises ``NotBuilt``, and whatever that room raises."""
    room = ROOMS.get(enquiry.request.kind)
    if room is None:
        raise NotBuilt(f"nothing carries out a {enquiry.request.kind} yet", field="request.kind")
    return room(enquiry)


def look(runtime: Runtime, request: Request) -> Mapping[str, Any]:
    """What the chain has to say of the request before a unit is opened for it; empty for most kinds."""
    asked = LOOKS.get(request.kind)
    return {} if asked is None else asked(runtime, request)


def look_at_destination(runtime: Runtime, request: WithdrawalRequest | DestinationListingRequest) -> Mapping[str, Any]:
    """What lives at the destination, where contracts may; nothing where the node does not say, or nobody would read it.

    What is wrong with the request is the room's to say.
    """
    chain = request.chain if isinstance(request, DestinationListingRequest) else request.asset.partition("/")[0]
    served = runtime.chains.get(chain)
    if served is None or has_coins(chain):
        return {}
    try:
        place = served.addressing.read_destination(request.destination, field="request.destination")
        is_contract = served.has_code(place.locator)
    except (InvalidInput, Unavailable):
        return {}
    return {"chain": chain, "locator": place.locator, "code": "contract" if is_contract else "plain"}


def note_seen(session: Session, seen: Mapping[str, Any], *, now: datetime) -> None:
    """Keep what was seen at a destination, in the unit of the request it was looked at for."""
    if "code" in seen:
        listings.note_code(session, chain=seen["chain"], locator=seen["locator"], code=seen["code"], now=now)


def _withdrawal(enquiry: Enquiry) -> Asked:
    enquiry.expect_no_attachments()
    note_seen(enquiry.session, enquiry.seen, now=enquiry.now)
    done = withdrawals.request(enquiry.session, **enquiry.told, correlation_id=enquiry.correlation_id)
    return _as_filed(enquiry.session, done.withdrawal.digest, done.replayed)


def _sweep(enquiry: Enquiry) -> Asked:
    enquiry.expect_no_attachments()
    done = withdrawals.request_sweep(enquiry.session, **enquiry.told, correlation_id=enquiry.correlation_id)
    return _as_filed(enquiry.session, done.withdrawal.digest, done.replayed)


def _respend(enquiry: Enquiry) -> Asked:
    enquiry.expect_no_attachments()
    done = withdrawals.request_respend(enquiry.session, **enquiry.told, correlation_id=enquiry.correlation_id)
    return Asked(done.intent.digest, done.intent.state, done.replayed)


def _return(enquiry: Enquiry) -> Asked:
    enquiry.expect_no_attachments()
    done = returns.request(enquiry.session, **enquiry.told)
    return Asked(done.intent.digest, done.intent.state, done.replayed)


def _opening(enquiry: Enquiry) -> Asked:
    enquiry.expect_no_attachments()
    done = openings.request_opening(enquiry.session, **enquiry.told)
    return Asked(done.digest, done.state, done.replayed)


def _change(enquiry: Enquiry) -> Asked:
    return changes.request(enquiry.session, **enquiry.told, attachments=enquiry.attachments)


def _pledge(enquiry: Enquiry) -> Asked:
    raise NotBuilt(f"a {enquiry.request.kind} can be read and judged; nothing carries it out yet", field="request.kind")


def _freeze(enquiry: Enquiry) -> Asked:
    enquiry.expect_no_attachments()
    return freezes.request_freeze(enquiry.session, **enquiry.told)


def _unfreeze(enquiry: Enquiry) -> Asked:
    enquiry.expect_no_attachments()
    return freezes.request_unfreeze(enquiry.session, **enquiry.told)


def _break_resolution(enquiry: Enquiry) -> Asked:
    enquiry.expect_no_attachments()
    return resolving.request_resolution(enquiry.session, **enquiry.told)


def _listing(enquiry: Enquiry) -> Asked:
    enquiry.expect_no_attachments()
    note_seen(enquiry.session, enquiry.seen, now=enquiry.now)
    request = enquiry.request
    place = (request.client, request.destination)
    similar = twins(enquiry.session, places=[place], orders=BOTH_ENDS).get(place, [])
    paid = [each.address for each in similar if each.among == PAID]
    return listings.request_listing(enquiry.session, **enquiry.told, paid=paid)


def _manual_entry(enquiry: Enquiry) -> Asked:
    enquiry.expect_no_attachments()
    return corrections.request_entry(enquiry.session, **enquiry.told)


def _as_filed(session: Session, digest: str, replayed: bool) -> Asked:
    return Asked(digest, intents.get(session, digest=digest).state, replayed)


ROOMS: Final[Mapping[str, Room]] = {
    WithdrawalRequest.kind: _withdrawal,
    SweepRequest.kind: _sweep,
    RespendRequest.kind: _respend,
    StrayReturnRequest.kind: _return,
    ClientOpeningRequest.kind: _opening,
    DestinationListingRequest.kind: _listing,
    FreezeRequest.kind: _freeze,
    UnfreezeRequest.kind: _unfreeze,
    BreakResolutionRequest.kind: _break_resolution,
    ManualEntryRequest.kind: _manual_entry,
    **dict.fromkeys((each.kind for each in RULE_CHANGES), _change),
    PledgeRequest.kind: _pledge,
    PledgeReleaseRequest.kind: _pledge,
}
"""Kind to the room that takes it."""

LOOKS: Final[Mapping[str, Look]] = {
    WithdrawalRequest.kind: look_at_destination,
    DestinationListingRequest.kind: look_at_destination,
}
"""Kind to what is asked of its chain before the unit."""
