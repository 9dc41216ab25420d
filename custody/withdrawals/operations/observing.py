"""Observing: what the movements say of payments on their way. Database only; the scan has spoken to the node."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.chains.registry import spending
from custody.chains.spending import SpendRules, leaving
from custody.clients import operations as clients
from custody.kernel.money import Amount
from custody.ledger import operations as ledger
from custody.ledger import queries as holds
from custody.movements import queries as movements
from custody.movements.queries import Ended
from custody.outbox import operations as outbox
from custody.spends import operations as spends
from custody.spends import queries as attempts
from custody.spends.model import Attempt, Overtaken
from custody.withdrawals import queries
from custody.withdrawals.operations.moving import locked, move
from custody.withdrawals.operations.request import BROADCAST, COMPOSE
from custody.withdrawals.operations.respending import ask_to_go_on, forget_wish, is_given_up
from custody.withdrawals.states import UNDER_WAY, Event, State
from custody.withdrawals.tables import WithdrawalRow

DEFICIT: Final = "a reorganised payment cost more than the client had left"
"""Why a client is frozen whose second settlement left a receivable (I2)."""

UNCOVERED: Final = "a reorg made a payment possible again whose money the client had used meanwhile"
"""Why a client is frozen whose money could not all be set aside again (I2)."""


def observe(session: Session, *, chain: str, rules: SpendRules, correlation_id: str, now: datetime) -> list[str]:
    """Move every payment whose depth changed: confirmed, completed, or back to broadcast. One unit per call.

    Returns the withdrawals that moved. Safe to run at any time, any number of times.
    """
    moved: set[str] = set()
    while True:
        found = _observe_once(session, chain, rules, correlation_id, now)
        moved |= {withdrawal for withdrawal, _ in found}
        # A reorg may have put a rival in place of what it removed: undoing the one brings the other back into view.
        if not any(event is Event.REORGANISE for _, event in found):
            return sorted(moved)


def _observe_once(
    session: Session, chain: str, rules: SpendRules, correlation_id: str, now: datetime
) -> set[tuple[str, Event]]:
    """The withdrawals that moved, each with its last event of every attempt that moved it."""
    tip = movements.tip(session, chain=chain)
    if tip is None:
        return set()
    watched = attempts.watched(session, chain=chain, since_height=tip.height - rules.reorg_horizon)
    ended = attempts.ended(session, chain=chain, among=watched)
    over = queries.over_among(session, withdrawals=[item.withdrawal for item in watched])
    look = _Look(session, tip.height, rules, correlation_id, now)
    moved = {
        (item.withdrawal, event)
        for item in watched
        # What is over and where it was needs no lock; nearly everything watched is.
        if not (item.withdrawal in over and _height(ended.get(item.spend)) == item.confirmed_height)
        and (event := _follow(look, item, ended.get(item.spend)))
    }
    lost = attempts.overtaken(session, chain=chain, among=[item for item in watched if item.spend not in ended])
    return moved | {(item.withdrawal, event) for item in lost if (event := _overtake(look, item))}


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at the chain, and the unit it is taken in."""

    session: Session
    tip: int
    rules: SpendRules
    correlation_id: str
    now: datetime

    def move(self, row: WithdrawalRow, event: Event, *, why: str = "", occurred_at: datetime | None = None) -> Event:
        told = {"why": why, "correlation_id": self.correlation_id}
        move(self.session, row, event=event, actor="chain", now=self.now, occurred_at=occurred_at, **told)
        return event

    def is_deep(self, row: WithdrawalRow, height: int) -> bool:
        """Whether what is at this height is final for us: as deep as its amount asks, or final as the node says."""
        return movements.is_final(
            self.session,
            chain=row.chain,
            height=height,
            tip=self.tip,
            depth=self.rules.required_depth(row.units, asset=row.asset),
            finality=self.rules.finality,
        )


def _height(ended: Ended | None) -> int | None:
    return None if ended is None else ended.height


def _follow(look: _Look, attempt: Attempt, ended: Ended | None) -> Event | None:
    if ended is None and attempt.confirmed_height is None:
        return None
    row = locked(look.session, withdrawal=attempt.withdrawal)
    if ended is None:
        return _undo(look, row, attempt)
    mined_at = None
    if attempt.confirmed_height != ended.height:
        mined_at = movements.block_time(look.session, chain=row.chain, height=ended.height)
        spends.confirm(look.session, attempt=attempt.id, height=ended.height, now=look.now, occurred_at=mined_at)
    if ended.succeeded and attempt.pays:
        return _paid(look, row, attempt, ended.height, mined_at)
    return _used_up(look, row, attempt, ended)


def _paid(look: _Look, row: WithdrawalRow, attempt: Attempt, height: int, mined_at: datetime | None) -> Event | None:
    event = None
    if row.state in UNDER_WAY:
        row.txid = attempt.spend
        event = look.move(row, Event.CONFIRM, occurred_at=mined_at)
    if row.state == State.CONFIRMED and look.is_deep(row, height):
        _complete(look.session, row, attempt, look.correlation_id, look.now)
        event = Event.COMPLETE
    return event


def _used_up(look: _Look, row: WithdrawalRow, attempt: Attempt, ended: Ended) -> Event | None:
    """The claim is gone and nothing was paid: at its depth nothing signed for it can pay any more."""
    if row.state not in UNDER_WAY or not look.is_deep(row, ended.height):
        return None
    spends.settle(look.session, withdrawal=row.id, paid_by=attempt.id, now=look.now)
    forget_wish(look.session, row, now=look.now)
    row.txid = attempt.spend
    if row.state == State.CANCELLING and not attempt.pays and ended.succeeded:
        return look.move(row, Event.USE_UP)
    return look.move(row, Event.FAIL, why="it was carried out and failed: nothing was paid")


def _overtake(look: _Look, overtaken: Overtaken) -> Event | None:
    """Something else used its turn: composed anew where nobody can have signed it, over where somebody can have.

    What was signed for a turn that is used can never be carried out, once that is at its depth.
    """
    row = locked(look.session, withdrawal=overtaken.withdrawal)
    if row.state not in UNDER_WAY:
        return None
    unseen = row.state == State.AWAITING_SIGNATURES
    if unseen and spends.give_up(look.session, withdrawal=row.id, refused=False, now=look.now):
        event = look.move(row, Event.OVERTAKE, why="something else used its turn")
        outbox.emit(
            look.session,
            topic=COMPOSE,
            payload={"withdrawal": row.id},
            correlation_id=look.correlation_id,
            now=look.now,
        )
        return event
    if not look.is_deep(row, overtaken.height):
        return None
    spends.settle(look.session, withdrawal=row.id, paid_by="", now=look.now)
    forget_wish(look.session, row, now=look.now)
    return look.move(row, Event.FAIL, why="something else used its turn: it can never be carried out")


def _complete(session: Session, row: WithdrawalRow, attempt: Attempt, correlation_id: str, now: datetime) -> None:
    assert row.hold_id is not None
    paid_units = leaving(spending(row.chain), units=row.units, fee_units=attempt.fee_units)
    settlement = ledger.settle_hold(
        session,
        hold_id=row.hold_id,
        vault=row.vault_id,
        paid=Amount(row.asset, paid_units),
        actor="chain",
        now=now,
        occurrence=_settlements(session, row.hold_id) + 1,
    )
    if settlement.deficit.units:
        clients.freeze(session, client=row.client_id, reason=DEFICIT, actor="chain", now=now)
    row.fee_units, row.txid = paid_units - row.units, attempt.spend
    forget_wish(session, row, now=now)
    spends.settle(session, withdrawal=row.id, paid_by=attempt.id, now=now)
    move(session, row, event=Event.COMPLETE, actor="chain", now=now, correlation_id=correlation_id)


def _undo(look: _Look, row: WithdrawalRow, attempt: Attempt) -> Event | None:
    """A reorg took it out: the money is held again before anything else, and what is wanted is sent again."""
    spends.confirm(look.session, attempt=attempt.id, height=None, now=look.now)
    if row.state in (State.CANCELLED, State.FAILED):
        return _hold_again(look, row, attempt)
    if row.state not in (State.CONFIRMED, State.COMPLETED):
        return None
    if row.state == State.COMPLETED:
        assert row.hold_id is not None
        settled = _settlements(look.session, row.hold_id)
        ledger.reverse_settlement(look.session, hold_id=row.hold_id, actor="chain", now=look.now, occurrence=settled)
        spends.unsettle(look.session, withdrawal=row.id, chain=row.chain, now=look.now)
        row.fee_units = None
    look.move(row, Event.REORGANISE)
    if is_given_up(look.session, row):
        look.move(row, Event.GIVE_UP)
        ask_to_go_on(look.session, row, correlation_id=look.correlation_id, now=look.now)
    else:
        _send_again(look, row, attempt)
    return Event.REORGANISE


def _hold_again(look: _Look, row: WithdrawalRow, attempt: Attempt) -> Event:
    """What made sure that nothing is paid any more is gone, and the money was free: it is set aside anew."""
    assert row.hold_id is not None
    restored = ledger.restore_hold(look.session, hold_id=row.hold_id, actor="chain", now=look.now)
    if restored.deficit.units:
        clients.freeze(look.session, client=row.client_id, reason=UNCOVERED, actor="chain", now=look.now)
    spends.unsettle(look.session, withdrawal=row.id, chain=row.chain, now=look.now)
    why = "a reorg removed what had used its turn up: it may still be paid"
    audit.raise_alarm(
        look.session, kind="payment-possible-again", subject=row.id, step=attempt.id, why=why, now=look.now
    )
    look.move(row, Event.REORGANISE, why=why)
    ask_to_go_on(look.session, row, correlation_id=look.correlation_id, now=look.now)
    return Event.REORGANISE


def _send_again(look: _Look, row: WithdrawalRow, attempt: Attempt) -> None:
    payload = {"withdrawal": row.id, "attempt": attempt.id}
    outbox.emit(look.session, topic=BROADCAST, payload=payload, correlation_id=look.correlation_id, now=look.now)


def _settlements(session: Session, hold_id: str) -> int:
    found = holds.find_hold(session, hold_id=hold_id)
    assert found is not None
    return found.settlements
