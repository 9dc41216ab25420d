"""Giving up a payment that may be signed already: an intent of its own uses up for nothing what it would have spent.

A request changes nothing until it is approved: until then the payment goes on. From then on nobody is asked to sign it
and it is not sent any more, but whoever has it can still carry it out: whichever of the two ends first decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from custody.approvals import operations as approvals
from custody.approvals import queries as intents
from custody.approvals.queries import FiledIntent
from custody.chains.registry import spending
from custody.clients import queries as clients
from custody.evidence.check import check_request
from custody.evidence.intents import Intent, VaultName
from custody.evidence.requests import RespendRequest
from custody.evidence.signatures import Signature
from custody.judging.facts import facts_of, into
from custody.kernel.errors import Conflict, InvalidInput
from custody.outbox import operations as outbox
from custody.spends import operations as spends
from custody.spends import queries as attempts
from custody.spends.model import Attempt
from custody.trust.operations import InForce
from custody.vaults import queries as vaults
from custody.windows import operations as windows
from custody.withdrawals import queries
from custody.withdrawals.model import Withdrawal
from custody.withdrawals.operations.moving import locked, move
from custody.withdrawals.operations.request import BROADCAST, COMPOSE
from custody.withdrawals.queries import UnknownWithdrawal
from custody.withdrawals.states import UNDER_WAY, Event, State
from custody.withdrawals.tables import WithdrawalRow
from policies.decision import Decision, Outcome, stricter

SIGNED: Final = frozenset({"signed", "sent", "confirmed"})
"""States of an attempt a quorum has signed."""


class CannotRespend(Conflict):
    """There is nothing to use up: not signed, over, being given up already, or its chain knows no such thing."""

    code = "cannot-respend"


@dataclass(frozen=True, slots=True)
class RespendRequested:
    """The withdrawal and the intent that gives it up, and whether this very request had been made before."""

    withdrawal: Withdrawal
    intent: FiledIntent
    replayed: bool


def request_respend(
    session: Session,
    *,
    request: RespendRequest,
    signature: Signature,
    trust: InForce,
    correlation_id: str,
    now: datetime,
) -> RespendRequested:
    """Take a signed request to give a withdrawal up; policy decides, and approved it starts at once.

    Raises ``RequestRefused``, ``InvalidInput`` naming the field, ``UnknownWithdrawal``, ``CannotRespend``,
    ``IdempotencyMismatch``; then nothing is written.
    """
    check_request(request, signature, root=trust.root, now=now)
    before = approvals.earlier(session, request=request)
    if before is not None:
        return _replayed(session, before)
    row = _given_up_by(session, request)
    _expect_possible(session, row, now)
    vault = vaults.get(session, vault=row.vault_id)
    decision = _judged(session, request, row, trust, now)
    intent = Intent(request=request, chain=row.chain, vault=VaultName(vault.keyset, vault.branch))
    state = approvals.file_intent(
        session, intent=intent, signature=signature, decision=decision, client=row.client_id, now=now
    )
    if state != "denied":
        row.respend = intent.digest
        session.flush()
    if decision.outcome is Outcome.ALLOW:
        _start(session, row, request.requester, correlation_id, now)
    return RespendRequested(queries.view(row), intents.get(session, digest=intent.digest), replayed=False)


def mark_respend_approved(
    session: Session, *, digest: str, trust: InForce, correlation_id: str, now: datetime
) -> State | None:
    """The quorum is met: policy once more, the stricter counts (I9), and it is given up. Idempotent.

    Returns the withdrawal's state, None where the intent gives none up (any more).
    """
    found = queries.by_respend(session, digest=digest)
    if found is None:
        return None
    row = locked(session, withdrawal=found.id)
    filed = intents.get(session, digest=digest)
    request = filed.intent.request
    assert isinstance(request, RespendRequest)
    newer = [
        item for item in _giving_up(session, row.id) if item.state in SIGNED or item.composed_at > filed.created_at
    ]
    if row.state not in UNDER_WAY or newer:
        return State(row.state)
    later = _judged(session, request, row, trust, now, digest=digest)
    decision = stricter(filed.decision, later)
    if (
        now <= filed.not_after
        and approvals.redecide(session, digest=digest, decision=decision, root=trust.root, now=now) == "approved"
    ):
        _start(session, row, "operators", correlation_id, now)
    return State(row.state)


def rejudge_respend(
    session: Session, row: WithdrawalRow, request: RespendRequest, *, trust: InForce, now: datetime
) -> str:
    """Judge giving it up again; store and return where the stricter decision leaves it."""
    assert row.respend is not None
    before = intents.get(session, digest=row.respend).decision
    later = _judged(session, request, row, trust, now, digest=row.respend)
    decision = stricter(before, later)
    return approvals.redecide(session, digest=row.respend, decision=decision, root=trust.root, now=now)


def is_given_up(session: Session, row: WithdrawalRow) -> bool:
    """Whether an approved intent gives the withdrawal up, or an attempt that does so is under way."""
    if _giving_up(session, row.id):
        return True
    return row.respend is not None and intents.get(session, digest=row.respend).state == "approved"


def waits_to_be_used_up(session: Session, withdrawal: Withdrawal) -> bool:
    """Whether it is being given up and no attempt that does so is under way."""
    if withdrawal.state != State.CANCELLING or withdrawal.respend is None:
        return False
    if intents.get(session, digest=withdrawal.respend).state != "approved":
        return False
    return not _giving_up(session, withdrawal.id)


def forget_wish(session: Session, row: WithdrawalRow, *, now: datetime) -> None:
    """The withdrawal is over: people who were asked whether to give it up are asked no more."""
    if row.respend is not None and intents.get(session, digest=row.respend).state == "pending":
        approvals.close(session, digest=row.respend, state="withdrawn", actor="chain", now=now)


def ask_to_go_on(session: Session, row: WithdrawalRow, *, correlation_id: str, now: datetime) -> None:
    """Have what gives it up composed, where it is not yet, and sent again where it was sent."""
    outbox.emit(session, topic=COMPOSE, payload={"withdrawal": row.id}, correlation_id=correlation_id, now=now)
    for item in attempts.attempts(session, withdrawal=row.id):
        if not item.pays and item.state == "sent":
            payload = {"withdrawal": row.id, "attempt": item.id}
            outbox.emit(session, topic=BROADCAST, payload=payload, correlation_id=correlation_id, now=now)


def _giving_up(session: Session, withdrawal: str) -> list[Attempt]:
    """Attempts under way that use it up for nothing."""
    known = attempts.attempts(session, withdrawal=withdrawal)
    return [item for item in known if not item.pays and item.state not in ("abandoned", "replaced")]


def _start(session: Session, row: WithdrawalRow, actor: str, correlation_id: str, now: datetime) -> None:
    """What was composed to give it up and not signed in time is composed anew: its bytes are the same."""
    spends.stop_asking(session, withdrawal=row.id, now=now)
    if row.state != State.CANCELLING:
        move(session, row, event=Event.GIVE_UP, actor=actor, now=now, correlation_id=correlation_id)
    ask_to_go_on(session, row, correlation_id=correlation_id, now=now)


def _given_up_by(session: Session, request: RespendRequest) -> WithdrawalRow:
    found = queries.by_digest(session, digest=request.of)
    if found is None or found.client != request.client:
        # Whose it is, if anybody's, is nobody's to ask in another client's name.
        raise UnknownWithdrawal("the client has no withdrawal of that intent", field="request.of")
    for name, own in (("asset", found.asset), ("amount", found.units)):
        if getattr(request, name) != own:
            raise InvalidInput(f"not the withdrawal's; accepted is {own}", field=f"request.{name}")
    return locked(session, withdrawal=found.id)


def _expect_possible(session: Session, row: WithdrawalRow, now: datetime) -> None:
    if not spending(row.chain).can_be_left:
        raise CannotRespend("a payment on this chain is replaced by a higher fee, not given up", field="request.of")
    if row.state not in UNDER_WAY:
        raise CannotRespend(f"the withdrawal is {row.state}", field="withdrawal.state")
    before = None if row.respend is None else intents.get(session, digest=row.respend)
    if before is not None and before.state == "pending" and now <= before.not_after:
        raise CannotRespend("people are asked already whether to give it up", field="withdrawal.state")
    if any(item.state in SIGNED for item in _giving_up(session, row.id)):
        raise CannotRespend("it is being given up already", field="withdrawal.state")


def _judged(
    session: Session,
    request: RespendRequest,
    row: WithdrawalRow,
    trust: InForce,
    now: datetime,
    *,
    digest: str | None = None,
) -> Decision:
    vault = vaults.get(session, vault=row.vault_id)
    facts = facts_of(
        session,
        request=request,
        place=into(vault),
        chain=row.chain,
        client=clients.get(session, client=row.client_id),
        vault=vault,
        root=trust.root,
        now=now,
        earlier=None if digest is None else windows.facts_when_admitted(session, digest=digest),
    )
    return windows.decide(session, policy=trust.policy, facts=facts, digest=digest)


def _replayed(session: Session, before: FiledIntent) -> RespendRequested:
    request = before.intent.request
    if not isinstance(request, RespendRequest):
        raise InvalidInput("this idempotency key names another kind of request", field="request.idempotency_key")
    found = queries.by_digest(session, digest=request.of)
    assert found is not None
    return RespendRequested(found, before, replayed=True)
