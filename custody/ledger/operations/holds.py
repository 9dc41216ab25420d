"""Holds: a client's money set aside for one withdrawal, then settled by what the chain says, or given back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.kernel.errors import Conflict, InvalidInput, NotFound, Refused
from custody.kernel.money import Amount
from custody.ledger.model import AccountKind, AccountRef, Entry, Hold, HoldState, Posting, Reason, Restored, Settlement
from custody.ledger.operations.posting import IdempotencyMismatch, locked_balances, post
from custody.ledger.queries import entry_by_key, hold_from_row
from custody.ledger.tables import HoldRow


class HoldNotFound(NotFound):
    """No hold has this id."""

    code = "hold-not-found"


class HoldEnded(Conflict):
    """The hold is no longer in the state this needs: it was voided, settled, or that settlement was reversed."""

    code = "hold-ended"


class HoldNotSettled(Conflict):
    """There is no such settlement to reverse."""

    code = "hold-not-settled"


class HoldExceeded(Refused):
    """More left the vault than was ever set aside for it."""

    code = "hold-exceeded"


def hold(
    session: Session, *, hold_id: str, client: str, amount: Amount, subject: str, actor: str, now: datetime
) -> Hold:
    """Set ``amount`` of the client's available money aside for ``subject``. The same ``hold_id`` with the same
    body gives the same hold.

    Raises ``InsufficientFunds``, ``IdempotencyMismatch``, ``InvalidInput`` for an amount that is not positive.
    """
    _expect_positive(amount)
    entry = Entry(
        key=f"{hold_id}:held",
        reason=Reason.HOLD,
        subject=subject,
        actor=actor,
        postings=(
            Posting(AccountRef(AccountKind.AVAILABLE, client, amount.asset), -amount.units),
            Posting(AccountRef(AccountKind.HELD, client, amount.asset), amount.units),
        ),
    )
    post(session, entry=entry, now=now)
    session.execute(
        insert(HoldRow)
        .values(
            id=hold_id, client=client, asset=amount.asset, units=amount.units, ceiling=amount.units,
            subject=subject, state=HoldState.PENDING.value, settlements=0, created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["id"])
    )  # fmt: skip
    return hold_from_row(_locked(session, hold_id))


def settle_hold(
    session: Session, *, hold_id: str, vault: str, paid: Amount, actor: str, now: datetime, occurrence: int = 1
) -> Settlement:
    """The payment is final: ``paid`` (to the destination, and the fee) left ``vault``; the rest of the hold goes
    back to ``available`` in the same entry.

    ``occurrence`` is 1 unless a reorg reversed an earlier settlement (then ``hold.settlements + 1``). Such a
    later one may pay more than is held, up to the first ceiling: the difference comes from ``available`` and,
    where that is short, becomes a receivable. Repeating a settlement gives the same result.
    Raises ``HoldNotFound``, ``HoldEnded``, ``HoldExceeded``, ``IdempotencyMismatch``, ``VaultOverdrawn``.
    """
    _expect_positive(paid)
    row = _locked(session, hold_id)
    if occurrence <= row.settlements:
        _expect_same_settlement(row, occurrence, vault, paid)
        return _settlement(session, row)
    if row.state != HoldState.PENDING or occurrence != row.settlements + 1:
        raise HoldEnded(f"the hold is {row.state}", hold=hold_id)
    if paid.asset != row.asset or paid.units > row.ceiling:
        raise HoldExceeded("more was paid than was set aside", hold=hold_id)
    entry = Entry(
        key=_settled_key(hold_id, occurrence),
        reason=Reason.WITHDRAWAL_SETTLED,
        subject=row.subject,
        actor=actor,
        postings=_settling(session, row, vault, paid.units),
        request={"hold": hold_id, "vault": vault, "asset": paid.asset, "paid": str(paid.units)},
    )
    post(session, entry=entry, now=now)
    _move(
        session, hold_id, state=HoldState.POSTED, settlements=occurrence, settled_units=paid.units, vault=vault,
        ended_at=now,
    )  # fmt: skip
    return _settlement(session, _locked(session, hold_id))


def void_hold(session: Session, *, hold_id: str, actor: str, now: datetime) -> Hold:
    """Nothing will be paid: everything held goes back to ``available``. Repeating it changes nothing.

    Raises ``HoldNotFound``, ``HoldEnded`` when the hold was settled.
    """
    row = _locked(session, hold_id)
    if row.state == HoldState.VOIDED:
        return hold_from_row(row)
    if row.state != HoldState.PENDING:
        raise HoldEnded(f"the hold is {row.state}", hold=hold_id)
    entry = Entry(
        key=_voided_key(hold_id, _restored(session, hold_id) + 1),
        reason=Reason.HOLD_RELEASED,
        subject=row.subject,
        actor=actor,
        postings=(
            Posting(AccountRef(AccountKind.HELD, row.client, row.asset), -row.units),
            Posting(AccountRef(AccountKind.AVAILABLE, row.client, row.asset), row.units),
        ),
    )
    post(session, entry=entry, now=now)
    _move(session, hold_id, state=HoldState.VOIDED, ended_at=now)
    return hold_from_row(_locked(session, hold_id))


def restore_hold(session: Session, *, hold_id: str, actor: str, now: datetime) -> Restored:
    """What had ended the hold unpaid was undone by a reorg: all of it is set aside again.

    It comes from ``available`` and, where the client has used it meanwhile, from a receivable. Repeating it changes
    nothing. Raises ``HoldNotFound``, ``HoldEnded`` when the hold was settled.
    """
    row = _locked(session, hold_id)
    if row.state == HoldState.POSTED:
        raise HoldEnded(f"the hold is {row.state}", hold=hold_id)
    if row.state == HoldState.PENDING:
        return Restored(hold_from_row(row), Amount(row.asset, 0))
    available = AccountRef(AccountKind.AVAILABLE, row.client, row.asset)
    held = AccountRef(AccountKind.HELD, row.client, row.asset)
    receivable = AccountRef(AccountKind.RECEIVABLE, row.client, row.asset)
    have_units, *_ = locked_balances(session, (available, held, receivable))
    taken_units = min(have_units, row.units)
    owed_units = row.units - taken_units
    lines = ((available, -taken_units), (receivable, -owed_units), (held, row.units))
    entry = Entry(
        key=_restored_key(hold_id, _restored(session, hold_id) + 1),
        reason=Reason.HOLD_RESTORED,
        subject=row.subject,
        actor=actor,
        postings=tuple(Posting(account, units) for account, units in lines if units),
    )
    post(session, entry=entry, now=now)
    _move(session, hold_id, state=HoldState.PENDING, ended_at=None)
    return Restored(hold_from_row(_locked(session, hold_id)), Amount(row.asset, owed_units))


def reverse_settlement(session: Session, *, hold_id: str, actor: str, now: datetime, occurrence: int = 1) -> Hold:
    """A reorg removed the payment: what it had paid is back in the vault and in ``held``, the hold pending again
    at that size. Reverse these before the deposits they spent. Repeating it changes nothing.

    Raises ``HoldNotFound``, ``HoldNotSettled``.
    """
    row = _locked(session, hold_id)
    if occurrence == row.settlements and entry_by_key(session, key=_reversed_key(hold_id, occurrence)):
        return hold_from_row(row)
    if row.state != HoldState.POSTED or occurrence != row.settlements:
        raise HoldNotSettled(f"the hold is {row.state}", hold=hold_id)
    settled = entry_by_key(session, key=_settled_key(hold_id, occurrence))
    assert settled is not None
    entry = Entry(
        key=_reversed_key(hold_id, occurrence),
        reason=Reason.WITHDRAWAL_REVERSED,
        subject=row.subject,
        actor=actor,
        reverses=settled.id,
        postings=(
            Posting(AccountRef(AccountKind.ONCHAIN, row.vault, row.asset), -row.settled_units),
            Posting(AccountRef(AccountKind.HELD, row.client, row.asset), row.settled_units),
        ),
    )
    post(session, entry=entry, now=now)
    _move(session, hold_id, state=HoldState.PENDING, units=row.settled_units, settled_units=None, ended_at=None)
    return hold_from_row(_locked(session, hold_id))


def _settling(session: Session, row: Any, vault: str, paid_units: int) -> tuple[Posting, ...]:
    available = AccountRef(AccountKind.AVAILABLE, row.client, row.asset)
    held = AccountRef(AccountKind.HELD, row.client, row.asset)
    onchain = AccountRef(AccountKind.ONCHAIN, vault, row.asset)
    receivable = AccountRef(AccountKind.RECEIVABLE, row.client, row.asset)
    back_units, owed_units = row.units - paid_units, 0
    if back_units < 0:
        have_units, *_ = locked_balances(session, (available, held, onchain, receivable))
        owed_units = max(0, -back_units - have_units)
        back_units += owed_units
    lines = ((held, -row.units), (onchain, paid_units), (available, back_units), (receivable, -owed_units))
    return tuple(Posting(account, units) for account, units in lines if units)


def _settlement(session: Session, row: Any) -> Settlement:
    entry = entry_by_key(session, key=_settled_key(row.id, row.settlements))
    assert entry is not None
    moved = {posting.account.kind: posting.units for posting in entry.postings}
    return Settlement(
        entry_id=entry.id,
        hold=hold_from_row(row),
        released=Amount(row.asset, max(0, moved.get(AccountKind.AVAILABLE, 0))),
        deficit=Amount(row.asset, -moved.get(AccountKind.RECEIVABLE, 0)),
    )


def _expect_same_settlement(row: Any, occurrence: int, vault: str, paid: Amount) -> None:
    if row.state != HoldState.POSTED or occurrence != row.settlements:
        raise HoldEnded("that settlement was reversed; a new one is a new occurrence", hold=row.id)
    if (row.vault, row.asset, row.settled_units) != (vault, paid.asset, paid.units):
        raise IdempotencyMismatch("settled before with another payment", hold=row.id)


def _locked(session: Session, hold_id: str) -> Any:
    row = session.execute(select(HoldRow.__table__).where(HoldRow.id == hold_id).with_for_update()).one_or_none()
    if row is None:
        raise HoldNotFound("no such hold", field="hold_id")
    return row


def _move(session: Session, hold_id: str, **values: Any) -> None:
    session.execute(
        update(HoldRow).where(HoldRow.id == hold_id).values(**values),
        execution_options={"synchronize_session": False},
    )


def _settled_key(hold_id: str, occurrence: int) -> str:
    return f"{hold_id}:settled:{occurrence}"


def _restored(session: Session, hold_id: str) -> int:
    """How often the hold was set aside again after it was voided."""
    times = 0
    while entry_by_key(session, key=_restored_key(hold_id, times + 1)) is not None:
        times += 1
    return times


def _restored_key(hold_id: str, occurrence: int) -> str:
    return f"{hold_id}:restored:{occurrence}"


def _voided_key(hold_id: str, occurrence: int) -> str:
    return f"{hold_id}:voided" if occurrence == 1 else f"{hold_id}:voided:{occurrence}"


def _reversed_key(hold_id: str, occurrence: int) -> str:
    return f"{hold_id}:reversed:{occurrence}"


def _expect_positive(amount: Amount) -> None:
    if amount.units <= 0:
        raise InvalidInput("not positive; accepted is 1 or more base units", field="amount")
