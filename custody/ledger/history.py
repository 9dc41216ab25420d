"""Reading the books as history: entries a page at a time, an account's with the balance after each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from custody.kernel.errors import NotFound
from custody.ledger.model import AccountRef
from custody.ledger.reasons import AccountKind, Reason


class UnknownEntry(NotFound):
    """No entry of that number."""

    code = "unknown-entry"


@dataclass(frozen=True, slots=True)
class Line:
    """One side of an entry, in signed base units; ``before`` and ``after`` are natural balances of its account."""

    account: AccountRef
    units: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """One entry as it stands in the books. ``version`` is its place in the account that was asked for, else 0."""

    id: int
    key: str
    reason: Reason
    subject: str
    actor: str
    authorised_by: Mapping[str, str]
    posted_at: datetime
    reverses: int | None
    reversed_by: int | None
    lines: tuple[Line, ...]
    version: int = 0


_HEADS: Final = """
    SELECT e.id, e.key, e.reason, e.subject, e.actor, e.authorised_by, e.posted_at, e.reverses,
      (SELECT r.id FROM journal_entries r WHERE r.reverses = e.id) AS reversed_by, {version} AS version
    FROM journal_entries e
"""
_ALL: Final = text(_HEADS.format(version="0") + "WHERE (:before = 0 OR e.id < :before) ORDER BY e.id DESC LIMIT :limit")
_ABOUT: Final = text(
    _HEADS.format(version="0")
    + "WHERE e.subject = :subject AND (:before = 0 OR e.id < :before) ORDER BY e.id DESC LIMIT :limit"
)
_OF_ACCOUNT: Final = text(
    _HEADS.format(version="p.version")
    + """
    JOIN postings p ON p.entry_id = e.id JOIN ledger_accounts a ON a.id = p.account_id
    WHERE a.owner = :owner AND a.asset = :asset AND a.kind = :kind AND a.pledge = :pledge
      AND (:before = 0 OR p.version < :before)
    ORDER BY p.version DESC LIMIT :limit
    """
)
_ONE: Final = text(_HEADS.format(version="0") + "WHERE e.id = :entry")
_LINES: Final = text(
    """
    SELECT p.entry_id, a.kind, a.owner, a.asset, a.pledge, p.units, p.sign * p.previous_balance AS before,
      p.sign * p.new_balance AS after
    FROM postings p JOIN ledger_accounts a ON a.id = p.account_id WHERE p.entry_id = ANY(:entries)
    ORDER BY p.entry_id, p.leg
    """
)


def newest(session: Session, *, before: int = 0, limit: int) -> list[Recorded]:
    """Entries, the newest first, below the number ``before`` (0: from the newest)."""
    return _recorded(session, session.execute(_ALL, {"before": before, "limit": limit}).all())


def about(session: Session, *, subject: str, before: int = 0, limit: int) -> list[Recorded]:
    """The same, of those about one deposit, withdrawal, hold or whatever else has an id."""
    found = session.execute(_ABOUT, {"subject": subject, "before": before, "limit": limit})
    return _recorded(session, found.all())


def of_account(session: Session, *, account: AccountRef, before: int = 0, limit: int) -> list[Recorded]:
    """The same, of one account's; ``before`` is a version of it."""
    values = {"owner": account.owner, "asset": account.asset, "kind": account.kind.value, "pledge": account.pledge}
    found = session.execute(_OF_ACCOUNT, values | {"before": before, "limit": limit})
    return _recorded(session, found.all())


def entry(session: Session, *, entry: int) -> Recorded:
    """One entry. Raises ``UnknownEntry``."""
    found = _recorded(session, session.execute(_ONE, {"entry": entry}).all())
    if not found:
        raise UnknownEntry("no such entry", field="entry")
    return found[0]


def _recorded(session: Session, heads: Sequence[Row[Any]]) -> list[Recorded]:
    lines: dict[int, list[Line]] = {head.id: [] for head in heads}
    for row in session.execute(_LINES, {"entries": sorted(lines)}):
        account = AccountRef(AccountKind(row.kind), row.owner, row.asset, row.pledge)
        lines[row.entry_id].append(Line(account, int(row.units), int(row.before), int(row.after)))
    return [
        Recorded(
            id=head.id,
            key=head.key,
            reason=Reason(head.reason),
            subject=head.subject,
            actor=head.actor,
            authorised_by=head.authorised_by,
            posted_at=head.posted_at,
            reverses=head.reverses,
            reversed_by=head.reversed_by,
            lines=tuple(lines[head.id]),
            version=head.version,
        )
        for head in heads
    ]
