"""What the chain brought: credited to a client, or set apart in the vault's suspense; and taken back after a reorg.

One chain event can come more than once: a reorg removes it and a later block holds it again. ``occurrence``
counts that, from 1; each occurrence is credited at most once and reversed at most once (I13).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from custody.kernel.errors import Conflict, InvalidInput, NotFound
from custody.kernel.money import Amount
from custody.ledger.model import AccountKind, AccountRef, Entry, Posting, Reason, ReversalResult
from custody.ledger.operations.posting import IdempotencyMismatch, locked_balances, post
from custody.ledger.queries import PostedEntry, entry_by_key


class DepositNotCredited(NotFound):
    """There is no such credit to reverse."""

    code = "deposit-not-credited"


class DepositStillCredited(Conflict):
    """A further occurrence of a deposit whose earlier one was not reversed."""

    code = "deposit-still-credited"


class DepositReversed(Conflict):
    """The occurrence was credited and then reversed: what arrived again is the next occurrence."""

    code = "deposit-reversed"


def credit_deposit(
    session: Session, *, deposit_id: str, client: str, vault: str, amount: Amount, actor: str, now: datetime,
    occurrence: int = 1,
) -> int:  # fmt: skip
    """Credit what arrived in ``vault`` to the client's available money; the entry's id. Repeating it posts nothing.

    A deposit that comes back after a reorg first repays the receivable its own reversal left.
    Raises ``IdempotencyMismatch``, ``DepositReversed``, ``DepositStillCredited``, ``InvalidInput``.
    """
    _expect_positive(amount, occurrence)
    _expect_next(session, deposit_id, occurrence, done="credited", undone="reversed")
    repaid_units = _owed_for(session, deposit_id, client, vault, amount, occurrence)
    lines = (
        (AccountRef(AccountKind.ONCHAIN, vault, amount.asset), -amount.units),
        (AccountRef(AccountKind.AVAILABLE, client, amount.asset), amount.units - repaid_units),
        (AccountRef(AccountKind.RECEIVABLE, client, amount.asset), repaid_units),
    )
    entry = Entry(
        key=_key(deposit_id, "credited", occurrence),
        reason=Reason.DEPOSIT_CREDITED,
        subject=deposit_id,
        actor=actor,
        postings=tuple(Posting(account, units) for account, units in lines if units),
        request=_request(amount, vault=vault, client=client),
    )
    return post(session, entry=entry, now=now)


def reverse_deposit(
    session: Session, *, deposit_id: str, client: str, vault: str, amount: Amount, actor: str, now: datetime,
    occurrence: int = 1,
) -> ReversalResult:  # fmt: skip
    """A reorg removed a credited deposit: take the amount from the client's available money and book what is
    missing as its receivable (I2). Nobody else's account is touched. Repeating it gives the same result.

    Reverse settlements that spent the deposit first. Raises ``DepositNotCredited``, ``IdempotencyMismatch``,
    ``VaultOverdrawn``.
    """
    _expect_positive(amount, occurrence)
    credited = _expect_booked(session, deposit_id, "credited", occurrence)
    available = AccountRef(AccountKind.AVAILABLE, client, amount.asset)
    receivable = AccountRef(AccountKind.RECEIVABLE, client, amount.asset)
    onchain = AccountRef(AccountKind.ONCHAIN, vault, amount.asset)
    _expect_same(credited, onchain, client, amount)
    have_units, *_ = locked_balances(session, (available, receivable, onchain))
    taken_units = min(have_units, amount.units)
    lines = ((available, -taken_units), (receivable, taken_units - amount.units), (onchain, amount.units))
    entry = Entry(
        key=_key(deposit_id, "reversed", occurrence),
        reason=Reason.DEPOSIT_REVERSED,
        subject=deposit_id,
        actor=actor,
        reverses=credited.id,
        postings=tuple(Posting(account, units) for account, units in lines if units),
        request=_request(amount, vault=vault, client=client),
    )
    post(session, entry=entry, now=now)
    return _reversal(_expect_booked(session, deposit_id, "reversed", occurrence), amount.asset)


def to_suspense(
    session: Session, *, subject: str, vault: str, amount: Amount, reason: Reason, actor: str, now: datetime,
    occurrence: int = 1,
) -> int:  # fmt: skip
    """Book what arrived and is nobody's yet (``deposit_dust``, ``deposit_quarantined``, ``deposit_unattributed``)
    in the vault's suspense account; the entry's id. Repeating it posts nothing.

    Raises ``UnauthorisedEntry`` for another reason, ``IdempotencyMismatch``, ``DepositReversed``,
    ``DepositStillCredited``.
    """
    _expect_positive(amount, occurrence)
    _expect_next(session, subject, occurrence, done="suspended", undone="unsuspended")
    entry = Entry(
        key=_key(subject, "suspended", occurrence),
        reason=reason,
        subject=subject,
        actor=actor,
        postings=(
            Posting(AccountRef(AccountKind.ONCHAIN, vault, amount.asset), -amount.units),
            Posting(AccountRef(AccountKind.SUSPENSE, vault, amount.asset), amount.units),
        ),
    )
    return post(session, entry=entry, now=now)


def reverse_suspense(
    session: Session, *, subject: str, vault: str, amount: Amount, actor: str, now: datetime, occurrence: int = 1
) -> int:
    """A reorg removed what ``to_suspense`` booked; the entry's id. Repeating it posts nothing.

    Raises ``DepositNotCredited``, ``IdempotencyMismatch``, ``InsufficientFunds`` when it was resolved meanwhile.
    """
    _expect_positive(amount, occurrence)
    booked = _expect_booked(session, subject, "suspended", occurrence)
    _expect_same(booked, AccountRef(AccountKind.ONCHAIN, vault, amount.asset), vault, amount)
    entry = Entry(
        key=_key(subject, "unsuspended", occurrence),
        reason=Reason.SUSPENSE_REVERSED,
        subject=subject,
        actor=actor,
        reverses=booked.id,
        postings=(
            Posting(AccountRef(AccountKind.SUSPENSE, vault, amount.asset), -amount.units),
            Posting(AccountRef(AccountKind.ONCHAIN, vault, amount.asset), amount.units),
        ),
    )
    return post(session, entry=entry, now=now)


def _expect_next(session: Session, subject: str, occurrence: int, *, done: str, undone: str) -> None:
    if entry_by_key(session, key=_key(subject, undone, occurrence)):
        raise DepositReversed("this occurrence was reversed; a new one is a new occurrence", deposit=subject)
    if occurrence > 1 and not entry_by_key(session, key=_key(subject, undone, occurrence - 1)):
        raise DepositStillCredited(f"the earlier occurrence is {done}, not reversed", deposit=subject)


def _expect_booked(session: Session, subject: str, step: str, occurrence: int) -> PostedEntry:
    booked = entry_by_key(session, key=_key(subject, step, occurrence))
    if booked is None:
        raise DepositNotCredited(f"never {step}", field="deposit_id", deposit=subject)
    return booked


def _expect_same(booked: PostedEntry, onchain: AccountRef, owner: str, amount: Amount) -> None:
    owners = {posting.account.owner for posting in booked.postings}
    if Posting(onchain, -amount.units) not in booked.postings or owner not in owners:
        raise IdempotencyMismatch("booked before with another vault, owner or amount", deposit=booked.subject)


def _owed_for(session: Session, deposit_id: str, client: str, vault: str, amount: Amount, occurrence: int) -> int:
    earlier = entry_by_key(session, key=_key(deposit_id, "reversed", occurrence - 1)) if occurrence > 1 else None
    if earlier is None:
        return 0
    receivable = AccountRef(AccountKind.RECEIVABLE, client, amount.asset)
    available = AccountRef(AccountKind.AVAILABLE, client, amount.asset)
    onchain = AccountRef(AccountKind.ONCHAIN, vault, amount.asset)
    owed_units = -locked_balances(session, (receivable, available, onchain))[0]
    return min(amount.units, owed_units, _reversal(earlier, amount.asset).deficit.units)


def _reversal(reversed_entry: PostedEntry, asset: str) -> ReversalResult:
    moved = {posting.account.kind: -posting.units for posting in reversed_entry.postings}
    return ReversalResult(
        entry_id=reversed_entry.id,
        taken=Amount(asset, moved.get(AccountKind.AVAILABLE, 0)),
        deficit=Amount(asset, moved.get(AccountKind.RECEIVABLE, 0)),
    )


def _request(amount: Amount, **ids: str) -> dict[str, str]:
    return {"asset": amount.asset, "units": str(amount.units), **ids}


def _key(subject: str, step: str, occurrence: int) -> str:
    return f"{subject}:{step}:{occurrence}"


def _expect_positive(amount: Amount, occurrence: int) -> None:
    if amount.units <= 0:
        raise InvalidInput("not positive; accepted is 1 or more base units", field="amount")
    if occurrence < 1:
        raise InvalidInput("not positive; accepted is 1 or more", field="occurrence")
