"""Moving a withdrawal's state: lock, look up the table, write the step, audit, tell. The only way a state changes."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.events import operations as events
from custody.ledger import operations as ledger
from custody.trust.assets import assets_seen
from custody.windows import operations as windows
from custody.withdrawals.queries import UnknownWithdrawal, view
from custody.withdrawals.shown import withdrawal_view
from custody.withdrawals.states import FINAL, RELEASED, Event, State, advance
from custody.withdrawals.tables import TransitionRow, WithdrawalRow

MOST_WORDS: Final = 200
"""Signs of what a withdrawal waits for."""
WAITING: Final = "waiting"
"""Told where what it waits for changed, and its state did not."""


def locked(session: Session, *, withdrawal: str) -> WithdrawalRow:
    """The row, held to the end of the unit. Raises ``UnknownWithdrawal``."""
    row = session.execute(
        select(WithdrawalRow).where(WithdrawalRow.id == withdrawal).with_for_update()
    ).scalar_one_or_none()
    if row is None:
        raise UnknownWithdrawal("no such withdrawal", field="withdrawal")
    return row


def move(
    session: Session,
    row: WithdrawalRow,
    *,
    event: Event,
    actor: str,
    now: datetime,
    why: str = "",
    correlation_id: str = "",
    occurred_at: datetime | None = None,
) -> State:
    """Apply ``event``. A state that ends it unpaid voids its hold in the same unit. Raises ``NotPossible``.

    ``occurred_at``: when a block made it so.
    """
    before = State(row.state)
    after = advance(before, event)
    row.state, row.state_since, row.waiting_for = after, now, None
    session.add(_step(session, row, before, after, event, actor, now))
    session.flush()
    if after in RELEASED and row.hold_id is not None:
        ledger.void_hold(session, hold_id=row.hold_id, actor=actor, now=now)
    _count(session, row.digest, before, after, now)
    audit.record(
        session,
        event=f"withdrawal.{after}",
        subject=row.id,
        actor=actor,
        now=now,
        correlation_id=correlation_id,
        facts={"from": str(before), "event": str(event), **({"why": why} if why else {})},
    )
    tell(session, row, event=str(after), actor=actor, correlation_id=correlation_id, now=now, occurred_at=occurred_at)
    return after


def rest(session: Session, row: WithdrawalRow, why: str | None, *, now: datetime) -> None:
    """Note what it waits for, None for nothing; told where that is something else than before."""
    said = None if why is None else why[:MOST_WORDS]
    if row.waiting_for == said:
        return
    row.waiting_for = said
    session.flush()
    tell(session, row, event=WAITING, actor="daemon", correlation_id="", now=now)


def tell(
    session: Session,
    row: WithdrawalRow,
    *,
    event: str,
    actor: str,
    correlation_id: str,
    now: datetime,
    occurred_at: datetime | None = None,
) -> None:
    """Tell everybody who may hear of it what the withdrawal is now."""
    events.publish(
        session,
        kind="withdrawal",
        subject=row.id,
        event=event,
        data=withdrawal_view(view(row), assets_seen(session)),
        client=row.client_id,
        actor=actor,
        correlation_id=correlation_id,
        now=now,
        occurred_at=occurred_at,
    )


def _count(session: Session, digest: str, before: State, after: State, now: datetime) -> None:
    """Tell the windows how it ended, or that it has not after all."""
    if after in RELEASED:
        windows.release(session, digest=digest, now=now)
    elif after == State.COMPLETED:
        windows.finish(session, digest=digest, now=now)
    elif before in FINAL:
        windows.resume(session, digest=digest)


def _step(
    session: Session, row: WithdrawalRow, before: State, after: State, event: Event, actor: str, now: datetime
) -> TransitionRow:
    taken: int = session.execute(
        select(func.count()).select_from(TransitionRow).where(TransitionRow.subject == row.id)
    ).scalar_one()
    return TransitionRow(
        subject=row.id, step=taken + 1, from_state=before, to_state=after, event=event, actor=actor, at=now
    )
