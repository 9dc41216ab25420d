"""Asking for something that needs no room's own preparation: check the author, ask the policy, file the intent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from custody.approvals import operations, passkeys
from custody.approvals import queries as intents
from custody.approvals.queries import FiledIntent
from custody.evidence.authorship import AuthorSignature
from custody.evidence.check import check_request
from custody.evidence.intents import Intent, in_the_house
from custody.evidence.requests import Request, client_of
from custody.kernel.errors import Refused
from custody.trust.operations import InForce
from custody.windows import operations as windows
from policies.decision import Outcome, stricter
from policies.facts import Facts

HOUSE: str = "house"
"""Whose an intent is that is about no client."""


class Denied(Refused):
    """The policy does not permit what was asked for."""

    code = "denied-by-policy"


NEVER_ALONE: Final = frozenset({"unfreeze", "break_resolution", "manual_entry"})
"""Kinds that somebody besides the requester agrees to, whatever a policy says: they undo what protects."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Where an intent stands after it was asked for, and whether this very request had been made before."""

    digest: str
    state: str
    """``pending``, ``approved`` (the policy asks for nobody, or people had agreed before), or where it ended."""
    replayed: bool


def before(
    session: Session, *, request: Request, signature: AuthorSignature, trust: InForce, now: datetime
) -> Asked | None:
    """Check the author; what the same requester asked under the same key before, if anything (I10).

    What is new and signed by a passkey answers a question of this house that nobody answered before. Raises
    ``RequestRefused``, ``PasskeyRefused``, ``IdempotencyMismatch``.
    """
    check_request(request, signature, root=trust.root, now=now)
    filed = operations.earlier(session, request=request)
    if filed is None:
        passkeys.hear_author(session, request, signature, root=trust.root, now=now)
    return None if filed is None else Asked(filed.digest, filed.state, replayed=True)


def ask(
    session: Session,
    *,
    request: Request,
    signature: AuthorSignature,
    trust: InForce,
    now: datetime,
    intent: Intent | None = None,
    facts: Facts | None = None,
) -> Asked:
    """File ``request`` with the policy's decision, after ``before`` found nothing. The room carries it out.

    ``intent`` is where it takes place (the house, where none is given); ``facts`` what the policy may read of it (kind
    and requester, where none are given). Raises ``Denied``; then nothing is written.
    """
    intent = in_the_house(request) if intent is None else intent
    known = Facts(kind=request.kind, requester=request.requester, now=now) if facts is None else facts
    decision = windows.decide(session, policy=trust.policy, facts=known)
    if request.kind in NEVER_ALONE and decision.outcome is not Outcome.DENY and not decision.obligations.asks_people:
        raise Denied(f"the policy asks nobody, and nobody alone carries out a {request.kind}", field="request")
    client = client_of(request) or HOUSE
    state = operations.file_intent(
        session, intent=intent, signature=signature, decision=decision, client=client, now=now
    )
    if state == "denied":
        raise Denied(decision.denial, field="request")
    return Asked(intent.digest, state, replayed=False)


def agreed(
    session: Session, *, digest: str, trust: InForce, now: datetime, facts: Facts | None = None
) -> FiledIntent | None:
    """The intent, if it is to be carried out now: people agreed, its delay is over, it has not run out, it was not
    carried out before, and the policy in force still says so; the stricter of both decisions counts (I9).

    Whoever carries it out says so in the same unit (``operations.carried_out``). What has to wait longer than it was
    told is asked for again by outbox; what ran out, or is denied now, is closed. ``facts`` as for ``ask``.
    """
    filed = intents.get(session, digest=digest, lock=True)
    request = filed.intent.request
    if filed.state != "approved" or filed.carried_out_at is not None:
        return None
    if now > filed.not_after:
        operations.close(session, digest=digest, state="expired", actor="clock", now=now)
        return None
    known = Facts(kind=request.kind, requester=request.requester, now=now) if facts is None else facts
    decision = stricter(filed.decision, windows.decide(session, policy=trust.policy, facts=known, digest=digest))
    if operations.redecide(session, digest=digest, decision=decision, root=trust.root, now=now) != "approved":
        return None
    due = filed.created_at + timedelta(seconds=decision.obligations.delay_seconds)
    if now < due:
        operations.remind(session, filed, due=due, now=now)
        return None
    return filed


def reconsider(session: Session, *, trust: InForce, correlation_id: str, now: datetime) -> list[str]:
    """Judge again what waits, under rules that changed: the stricter counts (I9). Returns what is denied now.

    Of what moves money its own room knows more facts, and judges it by itself.
    """
    denied = []
    for filed in intents.under_way(session, now=now):
        if filed.intent.kind in JUDGED_BY_THEIR_ROOMS:
            continue
        facts = replace(Facts.from_json(filed.decision.facts), now=now)
        later = windows.decide(session, policy=trust.policy, facts=facts, digest=filed.digest)
        decision = stricter(filed.decision, later)
        state = operations.redecide(session, digest=filed.digest, decision=decision, root=trust.root, now=now)
        if state == "approved" and filed.state == "pending":
            operations.announce(session, digest=filed.digest, correlation_id=correlation_id, now=now)
        if state == "denied":
            denied.append(filed.digest)
    return denied


JUDGED_BY_THEIR_ROOMS: Final = frozenset({"withdrawal", "respend", "stray_return", "sweep"})
