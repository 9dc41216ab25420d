"""What is stopped, since when, by whom, and what letting it go takes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from custody.approvals import uses as people
from custody.stops import queries as stops
from custody.stops.model import Cause
from custody.trust.operations import InForce
from policies.decision import Outcome
from policies.engine import evaluate
from policies.facts import Facts, nothing_used
from policies.obligations import obligation_words

_CAUSES = {
    Cause.PEOPLE: "people",
    Cause.REORG: "a reorg took back what it was credited",
    Cause.BREAK: "the books and the chain differ",
    Cause.RULES: "the vault obeys others than its keyset says",
}


def freezes_view(session: Session, trust: InForce, *, operator: str, now: datetime) -> dict[str, Any]:
    """Every stop that stands, oldest first, and what the policy asks of freezing and of letting go."""
    found = stops.standing(session)
    said = people.people_of(session, digests=[each.digest for each in found if each.digest is not None])
    return {
        "stops": [
            {
                "scope": each.scope,
                "subject": each.subject,
                "cause": each.cause.value,
                "cause_words": _CAUSES[each.cause],
                "reason": each.reason,
                "since": each.since,
                "by": said[each.digest].requester if each.digest in said else "",
                "digest": each.digest,
            }
            for each in found
        ],
        "freeze_takes": takes(trust, "freeze", operator=operator, now=now),
        "unfreeze_takes": takes(trust, "unfreeze", operator=operator, now=now),
    }


def takes(trust: InForce, kind: str, *, operator: str, now: datetime) -> str:
    """What the policy asks of ``operator`` for a request of this kind, in words; empty where it asks nobody."""
    decision = evaluate(trust.policy, Facts(kind=kind, requester=operator, now=now), nothing_used)
    if decision.outcome is Outcome.DENY:
        return "is denied by the policy"
    return obligation_words(decision.obligations) if decision.outcome is Outcome.REQUIRE else ""
