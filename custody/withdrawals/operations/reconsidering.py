"""Rules that change reach what is on its way: it is judged again, the stricter counts, and its bundles are renewed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.approvals import queries as intents
from custody.clients import queries as clients
from custody.evidence.bundle import Bundle, Payment
from custody.evidence.requests import RespendRequest
from custody.signing import operations as signing
from custody.spends import queries as attempts
from custody.stops import queries as stops
from custody.trust.operations import InForce
from custody.withdrawals.operations.deciding import rejudge
from custody.withdrawals.operations.moving import locked, move, rest
from custody.withdrawals.operations.respending import rejudge_respend
from custody.withdrawals.states import Event, State
from custody.withdrawals.tables import OPEN, WithdrawalRow

MORE_PEOPLE: Final = "people: the rules ask for more than when it was composed"


def reconsider(session: Session, *, trust: InForce, now: datetime) -> list[str]:
    """Judge every withdrawal that waits for people or for keys again. Returns those that the policy denies now.

    What waits to be composed is judged when it is. A bundle is renewed where the decision stands, or where cosigners
    are to say no to it; where people are missing, it is held back until they have spoken (``renew``).
    """
    denied = []
    waiting = session.execute(
        select(WithdrawalRow)
        .where(OPEN, WithdrawalRow.state == State.PENDING_APPROVAL)
        .order_by(WithdrawalRow.id)
        .with_for_update()
    ).scalars()
    for row in waiting.all():
        if _judged(session, row, trust, now) == "denied":
            move(session, row, event=Event.DENY, actor="policy", now=now, why="the policy no longer permits it")
            denied.append(row.id)
    for attempt in signing.outdated(session, version=trust.root.version):
        _renew(session, attempt, trust, now)
    return denied


def renew(session: Session, *, withdrawal: str, trust: InForce, now: datetime) -> None:
    """People have spoken on what was held back: its bundles go on under the rules in force."""
    outdated = set(signing.outdated(session, version=trust.root.version))
    for attempt in attempts.attempts(session, withdrawal=withdrawal):
        if attempt.id in outdated:
            _renew(session, attempt.id, trust, now)


def _judged(session: Session, row: WithdrawalRow, trust: InForce, now: datetime) -> str:
    """Where the rules leave it. What is stopped is left to whoever composes it: the policy would deny it for good."""
    clients.get(session, client=row.client_id, lock=True)
    if stops.first(session, client=row.client_id, vault=row.vault_id, asset=row.asset) is not None:
        return "approved"
    return rejudge(session, row, trust=trust, now=now).state


def _renew(session: Session, attempt: str, trust: InForce, now: datetime) -> None:
    found = attempts.find(session, attempt=attempt)
    if found is None:
        return
    row = locked(session, withdrawal=found.withdrawal)
    digest = row.digest if found.pays or row.respend is None else row.respend
    request = intents.get(session, digest=digest).intent.request
    if isinstance(request, RespendRequest):
        standing = rejudge_respend(session, row, request, trust=trust, now=now)
    else:
        standing = _judged(session, row, trust, now)
    if standing not in ("approved", "denied"):
        rest(session, row, MORE_PEOPLE, now=now)
        return
    if row.waiting_for == MORE_PEOPLE:
        rest(session, row, None, now=now)
    proven = intents.proven(session, digest=digest, root=trust.root)
    payment = Payment(proven, intents.get(session, digest=digest).decision.to_json())

    def change(bundle: Bundle) -> Bundle:
        return replace(
            bundle,
            payments=(payment,),
            policy=trust.policy_text,
            trust_root=trust.signed,
            succession=trust.links,
        )

    signing.renew(session, attempt=attempt, change=change, now=now)
