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
from custody.changes import operations as changes
from custody.evidence.requests import (
    RULE_CHANGES,
    ClientOpeningRequest,
    PledgeReleaseRequest,
    PledgeRequest,
    Request,
    RespendRequest,
    StrayReturnRequest,
    SweepRequest,
    WithdrawalRequest,
)
from custody.evidence.signatures import Signature
from custody.kernel.errors import InvalidInput, Refused
from custody.openings import operations as openings
from custody.returns import operations as returns
from custody.trust.operations import InForce
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
    signature: Signature
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


def _withdrawal(enquiry: Enquiry) -> Asked:
    enquiry.expect_no_attachments()
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


def _as_filed(session: Session, digest: str, replayed: bool) -> Asked:
    return Asked(digest, intents.get(session, digest=digest).state, replayed)


ROOMS: Final[Mapping[str, Room]] = {
    WithdrawalRequest.kind: _withdrawal,
    SweepRequest.kind: _sweep,
    RespendRequest.kind: _respend,
    StrayReturnRequest.kind: _return,
    ClientOpeningRequest.kind: _opening,
    **dict.fromkeys((each.kind for each in RULE_CHANGES), _change),
    PledgeRequest.kind: _pledge,
    PledgeReleaseRequest.kind: _pledge,
}
"""Kind to the room that takes it."""

LOOKS: Final[Mapping[str, Look]] = {}
"""Kind to what is asked of its chain before the unit."""
