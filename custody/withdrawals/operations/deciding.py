"""What people and time decide: approved, rejected, expired, cancelled."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.approvals import operations as approvals
from custody.approvals import queries as intents
from custody.clients import queries as clients
from custody.evidence.requests import WithdrawalRequest
from custody.kernel.errors import Conflict
from custody.outbox import operations as outbox
from custody.spends import operations as spends
from custody.stops import queries as stops
from custody.trust.operations import InForce
from custody.vaults import queries as vaults
from custody.withdrawals import queries
from custody.withdrawals.model import Withdrawal
from custody.withdrawals.operations.judging import facts_of, judge
from custody.withdrawals.operations.moving import locked, move
from custody.withdrawals.operations.request import COMPOSE
from custody.withdrawals.states import Event, State
from custody.withdrawals.tables import OPEN, WithdrawalRow
from policies.decision import Decision, stricter


class MayBeSigned(Conflict):
    """A cosigner has been given the bundle: its signature may exist, so the money cannot be freed."""

    code = "may-be-signed"


def mark_approved(session: Session, *, withdrawal: str, trust: InForce, correlation_id: str, now: datetime) -> State:
    """The quorum is met: evaluate the policy again, the stricter counts (I9), and go on. Idempotent.

    Of what is stopped the policy is asked when it is composed: it would deny for good what only has to wait.
    """
    row = locked(session, withdrawal=withdrawal)
    if row.state != State.PENDING_APPROVAL:
        return State(row.state)
    clients.get(session, client=row.client_id, lock=True)
    stop = stops.first(session, client=row.client_id, vault=row.vault_id, asset=row.asset)
    standing = "approved" if stop is not None else rejudge(session, row, trust=trust, now=now)
    if standing == "approved":
        move(session, row, event=Event.APPROVE, actor="operators", now=now, correlation_id=correlation_id)
        outbox.emit(session, topic=COMPOSE, payload={"withdrawal": row.id}, correlation_id=correlation_id, now=now)
    elif standing == "denied":
        move(session, row, event=Event.DENY, actor="policy", now=now, why="the policy no longer permits it")
    return State(row.state)


def mark_rejected(session: Session, *, withdrawal: str, correlation_id: str, now: datetime) -> State:
    """A person rejected it: the hold is free. Idempotent."""
    row = locked(session, withdrawal=withdrawal)
    if row.state == State.PENDING_APPROVAL:
        move(session, row, event=Event.REJECT, actor="operators", now=now, correlation_id=correlation_id)
    return State(row.state)


def cancel(session: Session, *, withdrawal: str, actor: str, now: datetime) -> Withdrawal:
    """Cancel what no cosigner can have signed. Raises ``MayBeSigned`` or ``NotPossible``. Idempotent."""
    row = locked(session, withdrawal=withdrawal)
    if row.state == State.CANCELLED:
        return queries.view(row)
    _stop(session, row, Event.CANCEL, actor, now)
    approvals.close(session, digest=row.digest, state="withdrawn", actor=actor, now=now)
    return queries.view(row)


def expire_overdue(session: Session, *, now: datetime) -> list[str]:
    """End every withdrawal whose request has run out and that no cosigner can have signed."""
    ended = []
    waiting = (State.PENDING_APPROVAL, State.APPROVED, State.AWAITING_SIGNATURES)
    rows = session.execute(
        select(WithdrawalRow)
        .where(OPEN, WithdrawalRow.state.in_(waiting))
        .order_by(WithdrawalRow.id)
        .with_for_update(skip_locked=True)
    ).scalars()
    for row in rows:
        if intents.get(session, digest=row.digest).not_after < now and _try_stop(session, row, now):
            approvals.close(session, digest=row.digest, state="expired", actor="clock", now=now)
            ended.append(row.id)
    return ended


def rejudge(session: Session, row: WithdrawalRow, *, trust: InForce, now: datetime) -> str:
    """Evaluate the policy again on today's facts; store and return where the stricter decision leaves it."""
    filed = intents.get(session, digest=row.digest)
    request = filed.intent.request
    assert isinstance(request, WithdrawalRequest)
    asset = trust.root.asset(request.asset)
    if asset is None or now > filed.not_after:
        return "denied"
    facts = facts_of(
        session,
        request=request,
        locator=row.locator,
        asset=asset,
        client=clients.get(session, client=row.client_id, lock=True),
        vault=vaults.get(session, vault=row.vault_id),
        now=now,
    )
    later: Decision = judge(session, policy=trust.policy, facts=facts, exclude=row.id, before=row.requested_at)
    decision = stricter(filed.decision, later)
    return approvals.redecide(session, digest=row.digest, decision=decision, root=trust.root, now=now)


def _try_stop(session: Session, row: WithdrawalRow, now: datetime) -> bool:
    try:
        _stop(session, row, Event.EXPIRE, "clock", now)
    except MayBeSigned:
        return False
    return True


def _stop(session: Session, row: WithdrawalRow, event: Event, actor: str, now: datetime) -> None:
    if row.state == State.AWAITING_SIGNATURES and not spends.give_up(
        session, withdrawal=row.id, refused=False, now=now
    ):
        raise MayBeSigned("a cosigner has been given it and may have signed", field="withdrawal.state")
    move(session, row, event=event, actor=actor, now=now)
