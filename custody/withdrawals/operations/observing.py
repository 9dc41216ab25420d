"""Observing: what the movements say of payments on their way. Database only; the scan has spoken to the node."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from custody.chains.registry import spending
from custody.chains.spending import SpendRules, leaving
from custody.clients import operations as clients
from custody.kernel.money import Amount
from custody.ledger import operations as ledger
from custody.ledger import queries as holds
from custody.movements import queries as movements
from custody.outbox import operations as outbox
from custody.spends import operations as spends
from custody.spends import queries as attempts
from custody.spends.model import Attempt
from custody.withdrawals import queries
from custody.withdrawals.operations.moving import locked, move
from custody.withdrawals.operations.paying import BROADCAST
from custody.withdrawals.states import Event, State
from custody.withdrawals.tables import WithdrawalRow

DEFICIT: Final = "a reorganised payment cost more than the client had left"
"""Why a client is frozen whose second settlement left a receivable (I2)."""


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
    heights = movements.confirmed_spends(session, chain=chain, txids=[item.spend for item in watched])
    completed = queries.completed_among(session, withdrawals=[item.withdrawal for item in watched])
    return {
        (item.withdrawal, event)
        for item in watched
        # What is settled and where it was needs no lock; nearly everything watched is.
        if not (item.withdrawal in completed and heights.get(item.spend) == item.confirmed_height)
        and (event := _follow(session, item, heights.get(item.spend), tip.height, rules, correlation_id, now))
    }


def _follow(
    session: Session,
    attempt: Attempt,
    height: int | None,
    tip: int,
    rules: SpendRules,
    correlation_id: str,
    now: datetime,
) -> Event | None:
    if height is None and attempt.confirmed_height is None:
        return None
    row = locked(session, withdrawal=attempt.withdrawal)
    if height is None:
        return _undo(session, row, attempt, correlation_id, now)
    if attempt.confirmed_height != height:
        spends.confirm(session, attempt=attempt.id, height=height)
    event = None
    if row.state in (State.SIGNED, State.BROADCAST):
        row.txid = attempt.spend
        move(session, row, event=Event.CONFIRM, actor="chain", now=now, correlation_id=correlation_id)
        event = Event.CONFIRM
    if row.state == State.CONFIRMED and tip - height + 1 >= rules.required_depth(row.units):
        _complete(session, row, attempt, correlation_id, now)
        event = Event.COMPLETE
    return event


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
    spends.settle(session, withdrawal=row.id, paid_by=attempt.id, now=now)
    move(session, row, event=Event.COMPLETE, actor="chain", now=now, correlation_id=correlation_id)


def _undo(session: Session, row: WithdrawalRow, attempt: Attempt, correlation_id: str, now: datetime) -> Event | None:
    """A reorg took the payment out: the money is held again before anything else, and it is sent again."""
    spends.confirm(session, attempt=attempt.id, height=None)
    if row.state not in (State.CONFIRMED, State.COMPLETED):
        return None
    if row.state == State.COMPLETED:
        assert row.hold_id is not None
        settled = _settlements(session, row.hold_id)
        ledger.reverse_settlement(session, hold_id=row.hold_id, actor="chain", now=now, occurrence=settled)
        spends.unsettle(session, withdrawal=row.id, chain=row.chain, now=now)
        row.fee_units = None
    move(session, row, event=Event.REORGANISE, actor="chain", now=now, correlation_id=correlation_id)
    payload = {"withdrawal": row.id, "attempt": attempt.id}
    outbox.emit(session, topic=BROADCAST, payload=payload, correlation_id=correlation_id, now=now)
    return Event.REORGANISE


def _settlements(session: Session, hold_id: str) -> int:
    found = holds.find_hold(session, hold_id=hold_id)
    assert found is not None
    return found.settlements
