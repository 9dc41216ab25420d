"""Paying: compose, take the final transaction over, send, replace. Effects are read, act and write apart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from custody.approvals import queries as intents
from custody.chains.registry import addressing, payer
from custody.chains.spending import Candidates, Plan, SpendRules, Turn
from custody.clients import queries as clients
from custody.deposits import queries as deposits
from custody.evidence.bundle import Payment
from custody.evidence.requests import SweepRequest
from custody.judging.facts import Moving, listings_behind, statements_behind
from custody.kernel.errors import Conflict, Refused, Unavailable
from custody.outbox import operations as outbox
from custody.relaying import operations as relaying
from custody.signing import queries as signing
from custody.spends import operations as spends
from custody.spends import queries as attempts
from custody.spends.model import Attempt
from custody.stops import queries as stops
from custody.trust.operations import InForce
from custody.vaults import queries as vaults
from custody.withdrawals import queries
from custody.withdrawals.operations.deciding import look_again, rejudge
from custody.withdrawals.operations.moving import locked, move, rest
from custody.withdrawals.operations.request import BROADCAST, COMPOSE
from custody.withdrawals.operations.respending import waits_to_be_used_up
from custody.withdrawals.states import Event, State
from custody.withdrawals.tables import WithdrawalRow

REPLACE: Final = "withdrawals.replace"
PAID: Final = (State.CONFIRMED, State.COMPLETED)
LEFT: Final = (State.CANCELLING, State.CANCELLED)


class VaultStopped(Refused):
    """The client or its vault is frozen: nothing is sent until an approved intent lifts it (I20)."""

    code = "vault-stopped"


class PolicyWaits(Unavailable):
    """The policy asks for something that is not so yet: a price, a clear screening, fresh books, more people."""

    code = "policy-waits"


class NothingToReplace(Conflict):
    """Only a payment that was sent and is not confirmed can be replaced, one replacement at a time."""

    code = "nothing-to-replace"


def composable(session: Session, *, withdrawal: str, rules: SpendRules) -> Candidates | None:
    """What an approved withdrawal may spend, or one that is given up uses up; None if it does not wait for that."""
    found = queries.get(session, withdrawal=withdrawal)
    if found.state != State.APPROVED and not waits_to_be_used_up(session, found):
        return None
    return _candidates(session, found.id, rules)


def compose(
    session: Session, *, planned: Plan, trust: InForce, rules: SpendRules, seal_key: bytes, now: datetime
) -> State:
    """Attach the planned attempt, after one more look at the policy (I9). Idempotent.

    Raises ``ClaimTaken`` (plan again), ``VaultStopped`` and ``PolicyWaits``.
    """
    row = locked(session, withdrawal=planned.order.withdrawal)
    if planned.order.pays_nobody and waits_to_be_used_up(session, queries.view(row)):
        _refuse_stopped_vault(session, row.vault_id)
        _attach(session, row, planned, trust, rules, seal_key, now)
    if row.state != State.APPROVED or planned.order.pays_nobody:
        return State(row.state)
    # First, for what is stopped waits: the policy would deny it for good.
    clients.get(session, client=row.client_id, lock=True)
    _refuse_frozen_vault(session, row.vault_id)
    _refuse_stop(session, row.client_id, row.vault_id, row.asset)
    standing = rejudge(session, row, trust=trust, now=now)
    if standing.state == "denied":
        return _refuse_by_policy(session, row, now)
    if standing.state != "approved":
        state = move(session, row, event=Event.ASK_PEOPLE, actor="policy", now=now)
        is_over = standing.state == "rejected"
        return move(session, row, event=Event.REJECT, actor="operators", now=now) if is_over else state
    if standing.waits_for is not None:
        raise PolicyWaits(standing.waits_for, withdrawal=row.id)
    _refuse_stopped(session, row)
    _attach(session, row, planned, trust, rules, seal_key, now)
    return move(session, row, event=Event.COMPOSE, actor="daemon", now=now)


def mark_unpayable(session: Session, *, withdrawal: str, why: str, now: datetime) -> State:
    """The chain would not carry it out, and nothing of it was composed: it fails, and the hold is free. Idempotent."""
    row = locked(session, withdrawal=withdrawal)
    if row.state == State.APPROVED:
        move(session, row, event=Event.FAIL, actor="chain", now=now, why=why)
    return State(row.state)


def wait(session: Session, *, withdrawal: str, waiting_for: str, now: datetime) -> None:
    """Say what it waits for; the queue shows it."""
    rest(session, locked(session, withdrawal=withdrawal), waiting_for, now=now)


def mark_signed(session: Session, *, attempt: str, rules: SpendRules, correlation_id: str, now: datetime) -> State:
    """A quorum has signed: check the final transaction once more and ask for it to be sent. Idempotent."""
    found = attempts.get(session, attempt=attempt)
    row = locked(session, withdrawal=found.withdrawal)
    bundle = signing.of_attempt(session, attempt=attempt)
    if bundle is None or bundle.final is None or bundle.spend is None:
        return State(row.state)
    spends.finalised(
        session,
        attempt=attempt,
        final=bundle.final,
        spend=bundle.spend,
        paid_units=row.units if row.asset == addressing(row.chain).native.id else None,
        ceiling_units=row.max_fee_units,
        rules=rules,
        now=now,
    )
    if row.state == State.AWAITING_SIGNATURES:
        row.txid = bundle.spend
        move(session, row, event=Event.SIGN, actor="cosigners", now=now, correlation_id=correlation_id)
    payload = {"withdrawal": row.id, "attempt": attempt}
    outbox.emit(session, topic=BROADCAST, payload=payload, correlation_id=correlation_id, now=now)
    return State(row.state)


def mark_refused(session: Session, *, attempt: str, now: datetime) -> State:
    """Every quorum is gone by signed refusals: a first attempt fails the withdrawal, a replacement is dropped."""
    found = attempts.get(session, attempt=attempt)
    row = locked(session, withdrawal=found.withdrawal)
    bundle = signing.of_attempt(session, attempt=attempt)
    if bundle is None or bundle.state != "refused":
        return State(row.state)
    if row.state == State.AWAITING_SIGNATURES:
        if spends.give_up(session, withdrawal=row.id, refused=True, now=now):
            move(session, row, event=Event.REFUSE, actor="cosigners", now=now)
    elif not (found.pays and row.state == State.CANCELLING):
        # Of a payment that is given up meanwhile the turn is still needed: what gives it up uses that.
        spends.drop_attempt(session, attempt=attempt, now=now)
    return State(row.state)


def sendable(session: Session, *, attempt: str) -> Attempt | None:
    """The attempt if it should be handed to the node now; None if it is settled or not final.

    The daemon's own gate once more: raises ``VaultStopped`` where the client or the vault is frozen.
    """
    found = attempts.get(session, attempt=attempt)
    withdrawal = queries.get(session, withdrawal=found.withdrawal)
    if found.final is None or found.state not in ("signed", "sent"):
        return None
    wanted = (State.SIGNED, State.BROADCAST) if found.pays else (State.CANCELLING,)
    if withdrawal.state not in wanted:
        return None
    if withdrawal.state == State.SIGNED:
        _refuse_frozen(session, withdrawal.client, withdrawal.vault, withdrawal.asset)
    elif withdrawal.state == State.CANCELLING:
        _refuse_stopped_vault(session, withdrawal.vault)
    return found


def wanted(session: Session, *, chain: str, spends: Sequence[str]) -> frozenset[str]:
    """Those of these spends that may be carried now: none that is given up, settled by another, or stopped.

    What is confirmed stays wanted: whether it still is, the chain knows before we do.
    """
    found = attempts.by_spends(session, chain=chain, spends=spends)
    return frozenset(item.spend for item in found if _is_wanted(session, item))


def held_back(session: Session, *, attempt: str, trust: InForce, now: datetime) -> str | None:
    """Why a payment that is signed is not sent for the first time yet; None where nothing holds it back (I9).

    The policy is asked once more: where more people are needed now, they are asked. Nothing ends here, for what was
    signed may be carried out by whoever has it.
    """
    found = attempts.get(session, attempt=attempt)
    row = locked(session, withdrawal=found.withdrawal)
    if row.state != State.SIGNED or not found.pays:
        return None
    return look_again(session, row, trust=trust, now=now)


def recall(session: Session, *, attempt: str, trust: InForce, correlation_id: str, now: datetime) -> str | None:
    """Before its bundle is given out for the first time, the policy is asked once more (I9): where it wants something
    else first, nobody is asked to sign. Says what it wants; None where the bundle may go, or is not a payment's.

    The withdrawal is approved again, and composed anew when it may be.
    """
    try:
        found = attempts.get(session, attempt=attempt)
    except attempts.UnknownAttempt:
        return None  # what came astray is judged when it is composed
    row = locked(session, withdrawal=found.withdrawal)
    if row.state != State.AWAITING_SIGNATURES or not found.pays or _is_stopped(session, row):
        return None
    why = look_again(session, row, trust=trust, now=now)
    if why is None or not spends.give_up(session, withdrawal=row.id, refused=False, now=now):
        return None
    move(session, row, event=Event.OVERTAKE, actor="policy", now=now, why=why, correlation_id=correlation_id)
    rest(session, row, why, now=now)
    outbox.emit(session, topic=COMPOSE, payload={"withdrawal": row.id}, correlation_id=correlation_id, now=now)
    return why


def _is_stopped(session: Session, row: WithdrawalRow) -> bool:
    """What is stopped is given to nobody, and waits as it is."""
    try:
        _refuse_stopped(session, row)
    except VaultStopped:
        return True
    return False


def _is_wanted(session: Session, attempt: Attempt) -> bool:
    withdrawal = queries.get(session, withdrawal=attempt.withdrawal)
    if attempt.state == "confirmed":
        return withdrawal.state in (PAID if attempt.pays else LEFT)
    try:
        return sendable(session, attempt=attempt.id) is not None
    except VaultStopped:
        return False


def mark_sent(session: Session, *, attempt: str, outcome: str, now: datetime) -> State:
    """The node was asked, whatever it answered: from now on a cancel is refused. Idempotent."""
    found = spends.sent(session, attempt=attempt, outcome=outcome, now=now)
    row = locked(session, withdrawal=found.withdrawal)
    if row.state == State.SIGNED:
        move(session, row, event=Event.SEND, actor="daemon", now=now)
    return State(row.state)


def request_replacement(
    session: Session, *, withdrawal: str, fee_rate: int, actor: str, correlation_id: str, now: datetime
) -> None:
    """Ask for a higher fee, at a rate in the chain's own unit, on a payment that is stuck.

    Where somebody else carries the payment and pays for it, that bids more by its own rules: ``fee_rate`` is the
    vault's word, and not the payer's. Raises ``NothingToReplace``, ``NothingToRaise``.
    """
    row = locked(session, withdrawal=withdrawal)
    _expect_replaceable(session, row)
    if payer(row.chain) is not None:
        _raise_bid(session, row, actor, now)
        return
    payload = {"withdrawal": row.id, "fee_rate": fee_rate, "actor": actor}
    outbox.emit(session, topic=REPLACE, payload=payload, correlation_id=correlation_id, now=now)


def _raise_bid(session: Session, row: WithdrawalRow, actor: str, now: datetime) -> None:
    for attempt in attempts.attempts(session, withdrawal=row.id):
        if attempt.state == "sent" and attempt.pays:
            relaying.request_raise(session, chain=row.chain, spend=attempt.spend, actor=actor, now=now)


def replaceable(session: Session, *, withdrawal: str, rules: SpendRules) -> Candidates | None:
    """What a replacement may spend; None if there is nothing to replace (any more)."""
    row = locked(session, withdrawal=withdrawal)
    try:
        _expect_replaceable(session, row)
    except NothingToReplace:
        return None
    return _candidates(session, withdrawal, rules)


def replace(
    session: Session, *, planned: Plan, trust: InForce, rules: SpendRules, seal_key: bytes, now: datetime
) -> Attempt | None:
    """Attach a replacement: every claim of the attempts before it, the same payment, a higher fee. Idempotent."""
    row = locked(session, withdrawal=planned.order.withdrawal)
    try:
        _expect_replaceable(session, row)
    except NothingToReplace:
        return None
    _refuse_stopped(session, row)
    return _attach(session, row, planned, trust, rules, seal_key, now)


def _candidates(session: Session, withdrawal: str, rules: SpendRules) -> Candidates:
    row = locked(session, withdrawal=withdrawal)
    order = queries.view(row).order(ceiling_units=row.max_fee_units)
    return attempts.candidates(session, order=order, coinbase_maturity=rules.coinbase_maturity)


def _attach(
    session: Session,
    row: WithdrawalRow,
    planned: Plan,
    trust: InForce,
    rules: SpendRules,
    seal_key: bytes,
    now: datetime,
) -> Attempt:
    digest = row.respend if planned.order.pays_nobody and row.respend else row.digest
    proven = intents.proven(session, digest=digest, root=trust.root)
    decision = intents.get(session, digest=digest).decision
    asked = proven.intent.request
    assert isinstance(asked, Moving)
    # An account of a pool may have been made for another client: whoever signs has to know whose it is.
    owners = {row.client_id} | {item.client for item in planned.inputs if isinstance(item, Turn) and item.client}
    openings = [vaults.opening_of(session, vault=row.vault_id, client=client) for client in sorted(owners)]
    if isinstance(proven.intent.request, SweepRequest):
        openings.append(vaults.opening_of(session, vault=str(proven.intent.request.to), client=row.client_id))
    return spends.attach(
        session,
        planned=planned,
        payment=Payment(proven, decision.to_json()),
        openings=tuple(intents.proven(session, digest=digest) for digest in openings),
        statements=statements_behind(session, request=asked, chain=row.chain, root=trust.root, now=now),
        listings=()
        if planned.order.pays_nobody
        else listings_behind(session, client=row.client_id, chain=row.chain, locator=row.locator),
        trust=trust,
        rules=rules,
        seal_key=seal_key,
        now=now,
    )


def _expect_replaceable(session: Session, row: WithdrawalRow) -> None:
    if row.state != State.BROADCAST:
        raise NothingToReplace(f"the withdrawal is {row.state}", field="withdrawal.state")
    if any(item.state in ("composed", "signed") for item in attempts.attempts(session, withdrawal=row.id)):
        raise NothingToReplace("a replacement is already on its way", field="withdrawal.state")


def _refuse_by_policy(session: Session, row: WithdrawalRow, now: datetime) -> State:
    return move(session, row, event=Event.DENY, actor="policy", now=now, why="the policy no longer permits it")


def _refuse_stopped(session: Session, row: WithdrawalRow) -> None:
    _refuse_frozen(session, row.client_id, row.vault_id, row.asset)
    if row.asset in deposits.suspended(session, chain=row.chain):
        raise VaultStopped("the asset is suspended: it told something else than arrived", field="asset")


def _refuse_frozen(session: Session, client: str, vault: str, asset: str) -> None:
    whose = clients.get(session, client=client)
    if whose.status != "active":
        raise VaultStopped(f"the client is {whose.status}", field="client.status")
    _refuse_frozen_vault(session, vault)
    _refuse_stop(session, client, vault, asset)


def _refuse_stopped_vault(session: Session, vault: str) -> None:
    """What pays nobody stops with its vault, or with everything."""
    _refuse_frozen_vault(session, vault)
    _refuse_stop(session, None, vault, None)


def _refuse_stop(session: Session, client: str | None, vault: str, asset: str | None) -> None:
    stop = stops.first(session, client=client, vault=vault, asset=asset)
    if stop is not None:
        raise VaultStopped(stop.words, field=stop.scope)


def _refuse_frozen_vault(session: Session, vault: str) -> None:
    where = vaults.get(session, vault=vault, lock=True)
    if where.frozen_reason:
        raise VaultStopped(f"the vault is frozen: {where.frozen_reason}", field="vault")


def sent_attempts(session: Session, *, chain: str) -> list[Attempt]:
    """The newest attempt of every withdrawal that was broadcast, or is given up, and is not confirmed."""
    found = []
    for withdrawal in queries.unfinished(session, chain=chain):
        if withdrawal.state in (State.BROADCAST, State.CANCELLING):
            pays = withdrawal.state == State.BROADCAST
            known = attempts.attempts(session, withdrawal=withdrawal.id)
            found.extend([item for item in known if item.state == "sent" and item.pays == pays][-1:])
    return found


def request_rebroadcast(session: Session, *, attempts: Sequence[Attempt], now: datetime) -> None:
    """Have these sent again: to send the same transaction twice is harmless."""
    for attempt in attempts:
        payload = {"withdrawal": attempt.withdrawal, "attempt": attempt.id}
        outbox.emit(session, topic=BROADCAST, payload=payload, correlation_id=f"rebroadcast:{attempt.id}", now=now)
