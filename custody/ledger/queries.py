"""Reads of the books. All sums are taken in the database; every int is base units.

"Natural" means as people say it: what a vault holds and what a client owes are positive too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ARRAY, Row, Text, any_, case, func, literal, select, text
from sqlalchemy.orm import Session

from custody.kernel.money import Amount
from custody.ledger.model import AccountKind, AccountRef, Hold, HoldState, Posting, Reason
from custody.ledger.reasons import CLIENT_KINDS
from custody.ledger.tables import HoldRow, JournalEntryRow, LedgerAccountRow, PostingRow

_ACCOUNTS = LedgerAccountRow.__table__.c
_POSTINGS = PostingRow.__table__.c
_BILLED: Final = text(
    """
    SELECT a.owner, a.asset, -sum(p.units) AS units
    FROM journal_entries e JOIN postings p ON p.entry_id = e.id JOIN ledger_accounts a ON a.id = p.account_id
    WHERE e.reason IN ('gas_billed', 'gas_bill_reversed') AND a.kind = 'receivable'
    GROUP BY a.owner, a.asset HAVING sum(p.units) <> 0
    """
)


@dataclass(frozen=True, slots=True)
class ClientBalance:
    """What one client has of one asset. ``total`` is available + held + pledged (I3); ``receivable`` it owes."""

    client: str
    asset: str
    available: int
    held: int
    pledged: int
    receivable: int

    @property
    def total(self) -> int:
        """What the custodian owes the client: available + held + pledged."""
        return self.available + self.held + self.pledged


@dataclass(frozen=True, slots=True)
class VaultTotal:
    """What the books say one vault (or relayer) holds of one asset, and how much of it is nobody's yet."""

    vault: str
    asset: str
    onchain: int
    suspense: int


@dataclass(frozen=True, slots=True)
class TrialLine:
    """One kind of account over all owners. Debits equal credits per asset when the books balance."""

    asset: str
    kind: AccountKind
    debit: int
    credit: int


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """One account with its signed (credit-positive) balance and how many postings made it."""

    account: AccountRef
    balance: int
    version: int


@dataclass(frozen=True, slots=True)
class PostedEntry:
    """One entry as it was posted."""

    id: int
    key: str
    reason: Reason
    subject: str
    actor: str
    authorised_by: Mapping[str, str]
    posted_at: datetime
    reverses: int | None
    postings: tuple[Posting, ...]


def balances(session: Session, *, client: str) -> list[ClientBalance]:
    """Every asset the client ever had, by asset."""
    return _client_balances(session, _ACCOUNTS.owner == client)


def client_totals(session: Session) -> list[ClientBalance]:
    """Every client and asset, in that order."""
    return _client_balances(session, None)


def balances_of(session: Session, *, clients: Collection[str]) -> list[ClientBalance]:
    """Every asset that any of these clients ever had, by client and asset, in one statement."""
    return _client_balances(session, _ACCOUNTS.owner == any_(literal(sorted(clients), ARRAY(Text))))


def account_balance(session: Session, *, account: AccountRef) -> int:
    """The natural balance of one account (0 where it was never used)."""
    found = session.execute(
        select(_ACCOUNTS.balance * _ACCOUNTS.sign).where(
            _ACCOUNTS.owner == account.owner,
            _ACCOUNTS.asset == account.asset,
            _ACCOUNTS.kind == account.kind.value,
            _ACCOUNTS.pledge == account.pledge,
        )
    ).scalar_one_or_none()
    return int(found or 0)


def vault_totals(session: Session) -> list[VaultTotal]:
    """Per vault and asset, in that order: natural ``onchain`` and ``suspense``."""
    rows = session.execute(
        select(
            _ACCOUNTS.owner,
            _ACCOUNTS.asset,
            _natural(AccountKind.ONCHAIN),
            _natural(AccountKind.SUSPENSE),
        )
        .where(_ACCOUNTS.kind.in_([AccountKind.ONCHAIN.value, AccountKind.SUSPENSE.value]))
        .group_by(_ACCOUNTS.owner, _ACCOUNTS.asset)
        .order_by(_ACCOUNTS.owner, _ACCOUNTS.asset)
    )
    return [VaultTotal(vault, asset, int(onchain), int(suspense)) for vault, asset, onchain, suspense in rows]


def trial_balance(session: Session) -> list[TrialLine]:
    """Per asset and kind: the sum of debit balances (assets, costs) and of credit balances (liabilities)."""
    rows = session.execute(
        select(_ACCOUNTS.asset, _ACCOUNTS.kind, func.sum(_ACCOUNTS.balance))
        .group_by(_ACCOUNTS.asset, _ACCOUNTS.kind)
        .order_by(_ACCOUNTS.asset, _ACCOUNTS.kind)
    )
    return [
        TrialLine(asset, AccountKind(kind), debit=max(0, -int(total)), credit=max(0, int(total)))
        for asset, kind, total in rows
    ]


def accounts(session: Session) -> list[AccountBalance]:
    """Every account with its signed balance, by name: for state dumps and comparisons (I14)."""
    rows = session.execute(
        select(
            _ACCOUNTS.kind, _ACCOUNTS.owner, _ACCOUNTS.asset, _ACCOUNTS.pledge, _ACCOUNTS.balance, _ACCOUNTS.version
        ).order_by(_ACCOUNTS.owner, _ACCOUNTS.asset, _ACCOUNTS.kind, _ACCOUNTS.pledge)
    )
    return [
        AccountBalance(AccountRef(AccountKind(kind), owner, asset, pledge), int(balance), version)
        for kind, owner, asset, pledge, balance, version in rows
    ]


def pending_holds(session: Session, *, client: str, limit: int) -> list[Hold]:
    """What is set aside of the client's money now, oldest first, ``limit`` of them at most."""
    rows = session.execute(
        select(HoldRow.__table__)
        .where(HoldRow.client == client, HoldRow.state == text("'pending'"))
        .order_by(HoldRow.created_at, HoldRow.id)
        .limit(limit)
    )
    return [hold_from_row(row) for row in rows]


def pledges(session: Session, *, client: str | None = None) -> list[tuple[str, str, str, int]]:
    """What is pledged: client, pledge, asset and base units, of every pledge that holds something."""
    query = select(_ACCOUNTS.owner, _ACCOUNTS.pledge, _ACCOUNTS.asset, _ACCOUNTS.balance * _ACCOUNTS.sign).where(
        _ACCOUNTS.kind == AccountKind.PLEDGED.value, _ACCOUNTS.balance != 0
    )
    if client is not None:
        query = query.where(_ACCOUNTS.owner == client)
    rows = session.execute(query.order_by(_ACCOUNTS.owner, _ACCOUNTS.pledge, _ACCOUNTS.asset))
    return [(owner, pledge, asset, int(units)) for owner, pledge, asset, units in rows]


def find_hold(session: Session, *, hold_id: str) -> Hold | None:
    """The hold with this id, or None."""
    row = session.execute(select(HoldRow.__table__).where(HoldRow.id == hold_id)).one_or_none()
    return None if row is None else hold_from_row(row)


def entry_by_key(session: Session, *, key: str) -> PostedEntry | None:
    """The entry posted under this idempotency key, or None."""
    found = _entries(session, JournalEntryRow.key == key)
    return found[0] if found else None


def entries_of(session: Session, *, subject: str) -> list[PostedEntry]:
    """Every entry about ``subject``, oldest first."""
    return _entries(session, JournalEntryRow.subject == subject)


def hold_from_row(row: Row[Any]) -> Hold:
    """The value of one row of ``holds``."""
    return Hold(
        id=row.id,
        client=row.client,
        amount=Amount(row.asset, row.units),
        ceiling=Amount(row.asset, row.ceiling),
        subject=row.subject,
        state=HoldState(row.state),
        settlements=row.settlements,
        settled=None if row.settled_units is None else Amount(row.asset, row.settled_units),
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def _client_balances(session: Session, condition: Any) -> list[ClientBalance]:
    statement = (
        select(
            _ACCOUNTS.owner,
            _ACCOUNTS.asset,
            _natural(AccountKind.AVAILABLE),
            _natural(AccountKind.HELD),
            _natural(AccountKind.PLEDGED),
            _natural(AccountKind.RECEIVABLE),
        )
        .where(_ACCOUNTS.kind.in_([kind.value for kind in CLIENT_KINDS]))
        .group_by(_ACCOUNTS.owner, _ACCOUNTS.asset)
        .order_by(_ACCOUNTS.owner, _ACCOUNTS.asset)
    )
    if condition is not None:
        statement = statement.where(condition)
    return [
        ClientBalance(owner, asset, int(available), int(held), int(pledged), int(receivable))
        for owner, asset, available, held, pledged, receivable in session.execute(statement)
    ]


def _natural(kind: AccountKind) -> Any:
    return func.coalesce(func.sum(case((_ACCOUNTS.kind == kind.value, _ACCOUNTS.balance * _ACCOUNTS.sign))), 0)


def _entries(session: Session, condition: Any) -> list[PostedEntry]:
    heads = session.execute(select(JournalEntryRow.__table__).where(condition).order_by(JournalEntryRow.id)).all()
    lines: dict[int, list[Posting]] = {head.id: [] for head in heads}
    rows = session.execute(
        select(_POSTINGS.entry_id, _ACCOUNTS.kind, _ACCOUNTS.owner, _ACCOUNTS.asset, _ACCOUNTS.pledge, _POSTINGS.units)
        .join(LedgerAccountRow.__table__, _ACCOUNTS.id == _POSTINGS.account_id)
        .where(_POSTINGS.entry_id.in_(lines))
        .order_by(_POSTINGS.entry_id, _POSTINGS.leg)
    )
    for entry_id, kind, owner, asset, pledge, units in rows:
        lines[entry_id].append(Posting(AccountRef(AccountKind(kind), owner, asset, pledge), int(units)))
    return [
        PostedEntry(
            head.id, head.key, Reason(head.reason), head.subject, head.actor, head.authorised_by, head.posted_at,
            head.reverses, tuple(lines[head.id]),
        )
        for head in heads
    ]  # fmt: skip


def billed_fees(session: Session) -> dict[tuple[str, str], int]:
    """What was billed for carrying its payments, by client and asset: a receivable that no coins are missing for."""
    return {(row.owner, row.asset): int(row.units) for row in session.execute(_BILLED)}


def deficits(session: Session, *, client: str) -> dict[str, int]:
    """What reorgs left the client owing, by asset: its receivable without what was billed for carrying (I2)."""
    billed = billed_fees(session)
    owed = {
        item.asset: item.receivable - billed.get((client, item.asset), 0) for item in balances(session, client=client)
    }
    return {asset: units for asset, units in owed.items() if units > 0}


def corrected_since(session: Session, *, vault: str, asset: str, since: datetime) -> int:
    """What people posted by hand at the vault's ``onchain`` account since then: found less lost, in base units."""
    found = session.execute(
        select(func.coalesce(-func.sum(_POSTINGS.units), 0))
        .select_from(JournalEntryRow.__table__)
        .join(PostingRow.__table__, _POSTINGS.entry_id == JournalEntryRow.id)
        .join(LedgerAccountRow.__table__, _ACCOUNTS.id == _POSTINGS.account_id)
        .where(
            JournalEntryRow.reason.in_((Reason.FOUND_ON_CHAIN.value, Reason.LOST_ON_CHAIN.value)),
            JournalEntryRow.posted_at >= since,
            _ACCOUNTS.kind == AccountKind.ONCHAIN.value,
            _ACCOUNTS.owner == vault,
            _ACCOUNTS.asset == asset,
        )
    ).scalar_one()
    return int(found)
