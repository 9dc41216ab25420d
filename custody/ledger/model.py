"""Values of the ledger: accounts, postings, entries, holds. Units are signed credit-positive base units.

An ``Entry`` cannot be made unless it balances per asset (I1) and its reason permits what it moves (I5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from custody.kernel.canonical import digest
from custody.kernel.errors import Broken, Refused
from custody.kernel.money import MAX_UNITS, Amount
from custody.ledger.reasons import CLIENT_KINDS, HOUSE_KINDS, RULES, AccountKind, Reason

__all__ = [
    "HOUSE", "AccountKind", "AccountRef", "Entry", "Hold", "HoldState", "MalformedEntry", "Posting", "Reason",
    "ReversalResult", "Settlement", "UnauthorisedEntry", "UnbalancedEntry",
]  # fmt: skip

HOUSE: Final = "house"
"""Owner of the accounts that are the custodian's own."""


class MalformedEntry(Broken):
    """An account or posting that cannot exist: the caller has a defect."""

    code = "ledger-malformed-entry"


class UnbalancedEntry(Broken):
    """An entry whose postings do not sum to zero for some asset (I1)."""

    code = "ledger-unbalanced-entry"


class UnauthorisedEntry(Refused):
    """An entry whose reason does not permit what it moves, or without an authority for a debited party (I5)."""

    code = "ledger-unauthorised-entry"


@dataclass(frozen=True, slots=True, order=True)
class AccountRef:
    """One account by its name. ``owner`` is a client id, a vault id or ``HOUSE``; ``asset`` a CAIP-19 id."""

    kind: AccountKind
    owner: str
    asset: str
    pledge: str = ""
    """Only for ``pledged``: the pledge that isolates this account."""

    def __post_init__(self) -> None:
        if not self.owner or not self.asset:
            raise MalformedEntry("an account has an owner and an asset")
        if (self.kind in HOUSE_KINDS) != (self.owner == HOUSE):
            raise MalformedEntry(f"{self.kind} cannot belong to {self.owner}")
        if (self.kind is AccountKind.PLEDGED) != bool(self.pledge):
            raise MalformedEntry("a pledged account, and no other, names its pledge")


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of an entry: ``units`` base units, credit positive, never zero."""

    account: AccountRef
    units: int

    def __post_init__(self) -> None:
        if type(self.units) is not int:
            raise TypeError("Posting.units is an int")
        if self.units == 0 or abs(self.units) > MAX_UNITS:
            raise MalformedEntry("a posting is not zero and has at most 78 digits")


@dataclass(frozen=True, slots=True)
class Entry:
    """One balanced fact, checked when it is made.

    Raises ``MalformedEntry``, ``UnbalancedEntry`` or ``UnauthorisedEntry``.
    """

    key: str
    """Idempotency key: one key is one entry, for ever (I10)."""
    reason: Reason
    subject: str
    """Id of what the entry is about (deposit, withdrawal, pledge, ...)."""
    actor: str
    postings: tuple[Posting, ...]
    authorised_by: Mapping[str, str] = field(default_factory=dict)
    """Debited owner -> what authorised it (an intent's digest), where the reason asks for one."""
    reverses: int | None = None
    """The entry this one corrects; an entry is reversed once."""
    request: Mapping[str, str] | None = None
    """What was asked, where the postings follow from balances: then this, not the postings, is what a
    repeated key must repeat."""

    def __post_init__(self) -> None:
        if not (self.key and self.subject and self.actor):
            raise MalformedEntry("an entry has a key, a subject and an actor")
        accounts = [posting.account for posting in self.postings]
        if len(accounts) < 2 or len(set(accounts)) != len(accounts):
            raise MalformedEntry("an entry has two or more postings, one per account", key=self.key)
        self._check_balance()
        self._check_reason()

    def body_hash(self) -> str:
        """Hex SHA-256 of what the key is bound to; the actor and the time are not part of it."""
        return digest(
            "ledger-entry",
            {
                "reason": self.reason.value,
                "subject": self.subject,
                "authorised_by": dict(self.authorised_by),
                "reverses": "" if self.reverses is None else str(self.reverses),
                "asked": dict(self.request) if self.request is not None else self._lines(),
            },
        )

    def _lines(self) -> list[list[str]]:
        return sorted(
            [p.account.kind.value, p.account.owner, p.account.pledge, p.account.asset, str(p.units)]
            for p in self.postings
        )

    def _check_balance(self) -> None:
        totals: dict[str, int] = {}
        for posting in self.postings:
            totals[posting.account.asset] = totals.get(posting.account.asset, 0) + posting.units
        if any(totals.values()):
            raise UnbalancedEntry("postings do not sum to zero", key=self.key)

    def _check_reason(self) -> None:
        rule = RULES[self.reason]
        for posting in self.postings:
            permitted = rule.falls if posting.units < 0 else rule.rises
            if posting.account.kind not in permitted:
                raise UnauthorisedEntry(f"{self.reason} may not move {posting.account.kind} so", key=self.key)
        if rule.one_client and len(self._clients()) > 1:
            raise UnauthorisedEntry(f"{self.reason} may not touch two clients", key=self.key)
        if rule.authority and not self._debited() <= self.authorised_by.keys():
            raise UnauthorisedEntry(f"{self.reason} needs an authority for each debited party", key=self.key)

    def _clients(self) -> set[str]:
        return {p.account.owner for p in self.postings if p.account.kind in CLIENT_KINDS}

    def _debited(self) -> set[str]:
        return {p.account.owner for p in self.postings if p.units < 0 and p.account.kind.sign > 0}


class HoldState(StrEnum):
    """Where a hold is: money set aside, money gone, money back."""

    PENDING = "pending"
    POSTED = "posted"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True)
class Hold:
    """Client money set aside for one subject."""

    id: str
    client: str
    amount: Amount
    """What is set aside now; after a reversed settlement, what that settlement had paid."""
    ceiling: Amount
    """What was set aside first: no settlement pays more."""
    subject: str
    state: HoldState
    settlements: int
    """How often it was settled; the next settlement is occurrence ``settlements + 1``."""
    settled: Amount | None
    """What the settlement in force paid, fee included."""
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What ``settle_hold`` did."""

    entry_id: int
    hold: Hold
    released: Amount
    """Unused part of the hold, back in ``available``."""
    deficit: Amount
    """What neither the hold nor ``available`` covered: now a receivable. Zero but after a reorg."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What ``restore_hold`` did. A deficit above zero freezes the client and pages: the caller's part."""

    hold: Hold
    deficit: Amount


@dataclass(frozen=True, slots=True)
class ReversalResult:
    """What ``reverse_deposit`` did. A deficit above zero freezes the client and pages: the caller's part."""

    entry_id: int
    taken: Amount
    deficit: Amount
