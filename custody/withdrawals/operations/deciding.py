"""What people and time decide: approved, rejected, expired, cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.approvals import operations as approvals
from custody.approvals import queries as intents
from custody.approvals.queries import FiledIntent
from custody.clients import queries as clients
from custody.evidence.requests import SweepRequest, WithdrawalRequest
from custody.judging.facts import facts_of, outside
from custody.judging.standing import waits_to_know
from custody.kernel.errors import Conflict
from custody.outbox import operations as outbox
from custody.spends import operations as spends
from custody.stops import queries as stops
from custody.trust.operations import InForce
from custody.vaults import queries as vaults
from custody.windows import operations as windows
from custody.withdrawals import queries
from custody.withdrawals.model import Withdrawal
from custody.withdrawals.operations.moving import locked, move, rest
from custody.withdrawals.operations.request import COMPOSE
from custody.withdrawals.states import Event, State
from custody.withdrawals.tables import OPEN, WithdrawalRow
from policies.decision import Decision, Outcome, stricter
from policies.facts import Facts
from policies.obligations import outstanding


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
    standing = rejudge(session, row, trust=trust, now=now) if stop is None else Standing("approved", stop.words)
    if standing.state == "approved":
        move(session, row, event=Event.APPROVE, actor="operators", now=now, correlation_id=correlation_id)
        rest(session, row, standing.waits_for, now=now)
        outbox.emit(session, topic=COMPOSE, payload={"withdrawal": row.id}, correlation_id=correlation_id, now=now)
    elif standing.state == "denied":
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


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a second look at the policy leaves a withdrawal."""

    state: str
    """``denied``, ``pending`` (more people are needed now) or ``approved``."""
    waits_for: str | None = None
    """What has to be known, or to come true, before it goes on; approved and nothing to wait for: it may go."""


def rejudge(session: Session, row: WithdrawalRow, *, trust: InForce, now: datetime) -> Standing:
    """Evaluate the policy again on today's facts; store and return where the stricter decision leaves it (I9).

    What would be denied only for want of knowledge stays where it is, and says what it waits for.
    """
    filed = intents.get(session, digest=row.digest)
    if trust.root.asset(row.asset) is None or now > filed.not_after:
        return Standing("denied")
    later, facts = _evaluated(session, row, filed, trust, now)
    waits_for = waits_to_know(filed.decision, later)
    if waits_for is not None:
        return Standing("approved", waits_for)
    decision = stricter(filed.decision, later)
    state = approvals.redecide(session, digest=row.digest, decision=decision, root=trust.root, now=now)
    owed = outstanding(decision.obligations, facts)
    return Standing(state, "; ".join(owed) or None)


def look_again(session: Session, row: WithdrawalRow, *, trust: InForce, now: datetime) -> str | None:
    """What the policy has against sending what is signed, in words. Only the wish for more people is stored."""
    filed = intents.get(session, digest=row.digest)
    if now > filed.not_after:
        return None
    later, facts = _evaluated(session, row, filed, trust, now)
    if later.outcome is Outcome.DENY:
        return waits_to_know(filed.decision, later) or f"the policy: {later.denial}"
    decision = stricter(filed.decision, later)
    state = approvals.redecide(session, digest=row.digest, decision=decision, root=trust.root, now=now)
    if state != "approved":
        return "more people's approval" if state == "pending" else f"its intent, which is {state}"
    return "; ".join(outstanding(decision.obligations, facts)) or None


def _evaluated(
    session: Session, row: WithdrawalRow, filed: FiledIntent, trust: InForce, now: datetime
) -> tuple[Decision, Facts]:
    request = filed.intent.request
    assert isinstance(request, WithdrawalRequest | SweepRequest)
    facts = facts_of(
        session,
        request=request,
        place=outside(
            session,
            client=row.client_id,
            chain=row.chain,
            address=request.destination,
            locator=row.locator,
            now=now,
        ),
        chain=row.chain,
        client=clients.get(session, client=row.client_id, lock=True),
        vault=vaults.get(session, vault=row.vault_id),
        root=trust.root,
        now=now,
        earlier=windows.facts_when_admitted(session, digest=row.digest),
    )
    return windows.decide(session, policy=trust.policy, facts=facts, digest=row.digest), facts


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
