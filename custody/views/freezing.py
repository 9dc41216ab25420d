"""What is stopped, since when, by whom, what letting it go takes, and what was stopped before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from custody.approvals import uses as people
from custody.approvals.uses import People
from custody.stops import queries as stops
from custody.stops.model import Cause, Stop
from custody.trust.operations import InForce
from custody.views import cursors
from policies.decision import Outcome
from policies.engine import evaluate
from policies.facts import Facts, nothing_used
from policies.obligations import obligation_words

_LISTING: Final = "lifted"
_CAUSES: Final = {
    Cause.PEOPLE: "people",
    Cause.REORG: "a reorg took back what it was credited",
    Cause.BREAK: "the books and the chain differ",
    Cause.RULES: "the vault obeys others than its keyset says",
}


def freezes_view(
    session: Session,
    trust: InForce,
    *,
    operator: str,
    now: datetime,
    after: str | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """Every stop that stands, oldest first, a page of those that were lifted, newest first, and what the policy asks
    of freezing and of letting go. Raises ``InvalidInput``.
    """
    most, begin = cursors.limit(limit), cursors.read(after, _LISTING)
    before = 0 if begin is None else cursors.number(begin[0])
    found = stops.standing(session)
    over = stops.lifted(session, before=before, limit=most + 1)
    digests = [each for stop in (*found, *over[:most]) for each in (stop.digest, stop.lifted_by) if each is not None]
    said = people.people_of(session, digests=digests)
    return {
        "stops": [_standing(each, said) for each in found],
        "lifted": [_lifted(each, said) for each in over[:most]],
        "next": cursors.written(_LISTING, str(over[most - 1].id)) if len(over) > most else None,
        "freeze_takes": takes(trust, "freeze", operator=operator, now=now),
        "unfreeze_takes": takes(trust, "unfreeze", operator=operator, now=now),
    }


def takes(trust: InForce, kind: str, *, operator: str, now: datetime) -> str:
    """What the policy asks of ``operator`` for a request of this kind, in words; empty where it asks nobody."""
    decision = evaluate(trust.policy, Facts(kind=kind, requester=operator, now=now), nothing_used)
    if decision.outcome is Outcome.DENY:
        return "is denied by the policy"
    return obligation_words(decision.obligations) if decision.outcome is Outcome.REQUIRE else ""


def _standing(stop: Stop, said: Mapping[str, People]) -> dict[str, Any]:
    asked = said.get(stop.digest or "")
    return {
        "scope": stop.scope,
        "subject": stop.subject,
        "cause": stop.cause.value,
        "cause_words": _CAUSES[stop.cause],
        "reason": stop.reason,
        "since": stop.since,
        "by": "" if asked is None else asked.requester,
        "digest": stop.digest,
    }


def _lifted(stop: Stop, said: Mapping[str, People]) -> dict[str, Any]:
    letting = said.get(stop.lifted_by or "")
    return _standing(stop, said) | {
        "lifted_at": stop.lifted_at,
        "lifted_by": stop.lifted_by,
        "lifted_for": "" if letting is None else letting.requester,
        "agreed": () if letting is None else letting.approved,
    }
