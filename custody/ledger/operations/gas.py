"""The house's own money on a chain, what it pays for carrying spends, and what of that a client owes it.

``place`` is the owner of the payer's ``onchain`` account. Like a deposit, each of these can come more than once, after
a reorganisation took it out of the chain: ``occurrence`` counts that from 1. Repeating one posts nothing.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from custody.kernel.errors import NotFound
from custody.kernel.money import Amount
from custody.ledger.model import HOUSE, AccountKind, AccountRef, Entry, Posting, Reason
from custody.ledger.operations.posting import post
from custody.ledger.queries import entry_by_key


class NotBooked(NotFound):
    """There is no such entry to reverse."""

    code = "gas-not-booked"


def add_capital(
    session: Session, *, subject: str, place: str, amount: Amount, actor: str, now: datetime, occurrence: int = 1
) -> int:
    """Money that came in at a place of the house's own; the entry's id. Raises ``IdempotencyMismatch``."""
    lines = (_onchain(place, amount, -1), _house(AccountKind.CAPITAL, amount, 1))
    return _post(session, subject, "added", occurrence, Reason.CAPITAL_ADDED, lines, actor, now)


def reverse_capital(
    session: Session, *, subject: str, place: str, amount: Amount, actor: str, now: datetime, occurrence: int = 1
) -> int:
    """A reorganisation took it out again. Raises ``NotBooked``, and ``VaultOverdrawn`` where fees were paid of it."""
    lines = (_onchain(place, amount, 1), _house(AccountKind.CAPITAL, amount, -1))
    return _post(session, subject, "taken", occurrence, Reason.CAPITAL_REVERSED, lines, actor, now, undoing="added")


def pay_network_fee(
    session: Session, *, subject: str, place: str, amount: Amount, actor: str, now: datetime, occurrence: int = 1
) -> int:
    """A fee the chain took at a place of the house's own; the entry's id. Raises ``VaultOverdrawn``."""
    lines = (_onchain(place, amount, 1), _house(AccountKind.NETWORK_FEES, amount, -1))
    return _post(session, subject, "paid", occurrence, Reason.NETWORK_FEE_PAID, lines, actor, now)


def reverse_network_fee(
    session: Session, *, subject: str, place: str, amount: Amount, actor: str, now: datetime, occurrence: int = 1
) -> int:
    """A reorganisation gave it back. Raises ``NotBooked``."""
    lines = (_onchain(place, amount, -1), _house(AccountKind.NETWORK_FEES, amount, 1))
    return _post(session, subject, "unpaid", occurrence, Reason.NETWORK_FEE_REVERSED, lines, actor, now, undoing="paid")


def bill_network_fee(
    session: Session, *, subject: str, client: str, amount: Amount, actor: str, now: datetime, occurrence: int = 1
) -> int:
    """What a client owes the house for a fee: a receivable, no liability of ours falls. The entry's id."""
    lines = (_owed(client, amount, -1), _house(AccountKind.NETWORK_FEES, amount, 1))
    return _post(session, subject, "billed", occurrence, Reason.GAS_BILLED, lines, actor, now)


def reverse_bill(
    session: Session, *, subject: str, client: str, amount: Amount, actor: str, now: datetime, occurrence: int = 1
) -> int:
    """The fee was not paid after all. Raises ``NotBooked``."""
    lines = (_owed(client, amount, 1), _house(AccountKind.NETWORK_FEES, amount, -1))
    return _post(
        session, subject, "unbilled", occurrence, Reason.GAS_BILL_REVERSED, lines, actor, now, undoing="billed"
    )


def _post(
    session: Session, subject: str, step: str, occurrence: int, reason: Reason, lines: tuple[Posting, ...],
    actor: str, now: datetime, *, undoing: str | None = None,
) -> int:  # fmt: skip
    booked = None
    if undoing is not None:
        booked = entry_by_key(session, key=f"{subject}:{undoing}:{occurrence}")
        if booked is None:
            raise NotBooked(f"never {undoing}", field="subject", subject=subject)
    entry = Entry(
        key=f"{subject}:{step}:{occurrence}",
        reason=reason,
        subject=subject,
        actor=actor,
        postings=lines,
        reverses=None if booked is None else booked.id,
    )
    return post(session, entry=entry, now=now)


def _onchain(place: str, amount: Amount, sign: int) -> Posting:
    return Posting(AccountRef(AccountKind.ONCHAIN, place, amount.asset), sign * amount.units)


def _house(kind: AccountKind, amount: Amount, sign: int) -> Posting:
    return Posting(AccountRef(kind, HOUSE, amount.asset), sign * amount.units)


def _owed(client: str, amount: Amount, sign: int) -> Posting:
    return Posting(AccountRef(AccountKind.RECEIVABLE, client, amount.asset), sign * amount.units)
