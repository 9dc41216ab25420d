"""The books: entries a page at a time, an account's with its running balance, and one entry with both its sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from custody.clients import queries as clients
from custody.evidence import fields
from custody.kernel.clock import rfc3339
from custody.kernel.errors import InvalidInput
from custody.ledger import history
from custody.ledger.history import Line, Recorded
from custody.ledger.model import AccountRef, MalformedEntry
from custody.ledger.reasons import CLIENT_KINDS, AccountKind
from custody.trust.assets import KnownAssets, assets_seen
from custody.views import cursors
from custody.views.objects import asset_view, money

_LISTING: Final = "entries"


def entries(
    session: Session,
    *,
    account: AccountRef | None = None,
    subject: str = "",
    after: str | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """One page, newest first: of everything, of what is about ``subject``, or of one account with ``balance`` after
    each. ``next`` where there are more. Raises ``InvalidInput``.
    """
    listing = f"{_LISTING}:{'' if account is None else name_of(account)}:{subject}"
    most, begin = cursors.limit(limit), cursors.read(after, listing)
    before = 0 if begin is None else fields.whole_number(_number(begin[0]), field="after", low=1, high=2**63 - 1)
    if account is not None:
        found = history.of_account(session, account=account, before=before, limit=most + 1)
    elif subject:
        found = history.about(session, subject=subject, before=before, limit=most + 1)
    else:
        found = history.newest(session, before=before, limit=most + 1)
    assets, shown = assets_seen(session), found[:most]
    names = _names(session, shown)
    last = str((shown[-1].version or shown[-1].id) if shown else 0)
    return {
        "entries": [entry_view(each, assets, names) | _balance(each, account, assets, names) for each in shown],
        "next": cursors.written(listing, last) if len(found) > most else None,
    }


def entry(session: Session, *, entry: int) -> dict[str, Any]:
    """One entry. Raises ``UnknownEntry``."""
    found = history.entry(session, entry=entry)
    return entry_view(found, assets_seen(session), _names(session, [found]))


def account(text: str, *, field: str = "account") -> AccountRef:
    """``kind owner asset`` and, where it is one, a pledge, as ``name_of`` writes it. Raises ``InvalidInput``."""
    parts = fields.text(text, field=field, limit=500).split(" ")
    kinds = tuple(kind.value for kind in AccountKind)
    if len(parts) not in (3, 4) or parts[0] not in kinds or not all(parts):
        raise InvalidInput(f"accepted is KIND OWNER ASSET, KIND one of {', '.join(kinds)}", field=field)
    try:
        return AccountRef(AccountKind(parts[0]), parts[1], parts[2], parts[3] if len(parts) == 4 else "")
    except MalformedEntry as error:
        raise InvalidInput(f"no account can be called so: {error.message}", field=field) from None


def name_of(account: AccountRef) -> str:
    """An account in one line that ``account`` reads."""
    return " ".join(part for part in (account.kind.value, account.owner, account.asset, account.pledge) if part)


def entry_view(found: Recorded, assets: KnownAssets, names: Mapping[str, str]) -> dict[str, Any]:
    """What happened, why, by whom, on whose word, and every line of it. Raises ``AssetUnknown``."""
    return {
        "id": found.id,
        "key": found.key,
        "reason": found.reason.value,
        "subject": found.subject,
        "actor": found.actor,
        "authorised_by": dict(found.authorised_by),
        "posted_at": rfc3339(found.posted_at),
        "reverses": found.reverses,
        "reversed_by": found.reversed_by,
        "lines": [_line(each, assets, names) for each in found.lines],
    }


def _line(line: Line, assets: KnownAssets, names: Mapping[str, str]) -> dict[str, Any]:
    asset, natural = assets.of(line.account.asset), line.units * line.account.kind.sign
    return {
        "account": name_of(line.account),
        "kind": line.account.kind.value,
        "owner": line.account.owner,
        "owner_name": names.get(line.account.owner, line.account.owner),
        "pledge": line.account.pledge or None,
        "asset": asset_view(asset),
        "change": money(natural, asset),
        "before": money(line.before, asset),
        "after": money(line.after, asset),
    }


def _balance(
    found: Recorded, account: AccountRef | None, assets: KnownAssets, names: Mapping[str, str]
) -> dict[str, Any]:
    """The account's own line of the entry, where one account was asked for."""
    return {"own": next((_line(each, assets, names) for each in found.lines if each.account == account), None)}


def _names(session: Session, found: Sequence[Recorded]) -> Mapping[str, str]:
    """Names of the clients whose accounts these entries are about."""
    owners = {each.account.owner for one in found for each in one.lines if each.account.kind in CLIENT_KINDS}
    return clients.names(session, clients=owners)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
