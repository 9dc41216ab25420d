"""A deposit into the books at its depth, and out of them when a reorg removed it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.clients import operations as clients
from custody.deposits.model import DUST, UNATTRIBUTED
from custody.deposits.operations.rows import move, put_in
from custody.deposits.states import DepositEvent, DepositState
from custody.deposits.tables import DepositRow
from custody.kernel.money import Amount
from custody.ledger import operations as ledger
from custody.ledger.model import Reason

_REASONS = {DUST: Reason.DEPOSIT_DUST, UNATTRIBUTED: Reason.DEPOSIT_UNATTRIBUTED}
REORGANISED = "reorg-removed-credited-deposit"
"""Why a client is frozen, where a reorg took back what it was credited."""


def book(session: Session, row: DepositRow, *, actor: str, now: datetime) -> None:
    """Credit the client, or put what is nobody's into the vault's suspense account. At most once per occurrence."""
    row.occurrence += 1
    if row.reason is None and row.client_id is not None:
        row.entry_id = ledger.credit_deposit(
            session,
            deposit_id=row.id,
            client=row.client_id,
            vault=row.vault_id,
            amount=_amount(row),
            actor=actor,
            now=now,
            occurrence=row.occurrence,
        )
        event = DepositEvent.CREDITED
    else:
        row.entry_id = _suspend(session, row, actor, now)
        event = DepositEvent.FOUND_DUST if row.reason == DUST else DepositEvent.QUARANTINED
    row.booked_at = now
    move(session, row, event, actor=actor, now=now)


def unbook(session: Session, row: DepositRow, *, actor: str, now: datetime) -> bool:
    """Take a removed deposit out of the books; a credited one freezes its client and pages.

    False, and the deposit stays booked as unbacked, while a settled payment (or a resolved suspense) still counts
    on its coins: that is reversed first, by whoever made it, and the next advance comes back to this one.
    """
    if row.state == DepositState.CREDITED:
        _stop_client(session, row, actor, now)
    try:
        with _savepoint(session):
            _reverse(session, row, actor, now)
    except (ledger.VaultOverdrawn, ledger.InsufficientFunds):
        row.unbacked = True
        return False
    row.entry_id = row.booked_at = None
    row.unbacked = False
    put_in(row, None)
    move(session, row, DepositEvent.REMOVED, actor=actor, now=now)
    return True


@contextmanager
def _savepoint(session: Session) -> Iterator[None]:
    # Below the ORM: a nested transaction of the session would run the hooks that end a unit (audit) half-way.
    session.flush()
    with session.connection().begin_nested(), session.no_autoflush:
        yield


def _stop_client(session: Session, row: DepositRow, actor: str, now: datetime) -> None:
    assert row.client_id is not None
    clients.freeze(session, client=row.client_id, reason=REORGANISED, actor=actor, now=now)
    why = f"a reorg removed a deposit credited to {row.client_id}: {row.units} base units in {row.txid}:{row.position}"
    audit.raise_alarm(session, kind="deposit-reversed", subject=row.id, step=str(row.occurrence), why=why, now=now)


def _reverse(session: Session, row: DepositRow, actor: str, now: datetime) -> None:
    if row.state == DepositState.CREDITED and row.client_id is not None:
        ledger.reverse_deposit(
            session,
            deposit_id=row.id,
            client=row.client_id,
            vault=row.vault_id,
            amount=_amount(row),
            actor=actor,
            now=now,
            occurrence=row.occurrence,
        )
        return
    ledger.reverse_suspense(
        session,
        subject=row.id,
        vault=row.vault_id,
        amount=_amount(row),
        actor=actor,
        now=now,
        occurrence=row.occurrence,
    )


def _suspend(session: Session, row: DepositRow, actor: str, now: datetime) -> int:
    return ledger.to_suspense(
        session,
        subject=row.id,
        vault=row.vault_id,
        amount=_amount(row),
        reason=_REASONS.get(row.reason or "", Reason.DEPOSIT_QUARANTINED),
        actor=actor,
        now=now,
        occurrence=row.occurrence,
    )


def _amount(row: DepositRow) -> Amount:
    return Amount(row.asset, row.units)
