"""Posting entries: the one way money moves. The database's functions lock, check and write; we say what and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from custody.kernel.errors import Conflict, CustodyError, Refused
from custody.ledger.model import AccountRef, Entry


class InsufficientFunds(Refused):
    """A liability would fall below zero. Nothing is written; the unit is over and must be rolled back."""

    code = "insufficient-funds"


class VaultOverdrawn(Conflict):
    """More would leave a vault than the books say it holds: what paid out first has to be reversed first."""

    code = "vault-overdrawn"


class IdempotencyMismatch(Refused):
    """The key was used for something else. Nothing is written; the unit is over and must be rolled back."""

    code = "idempotency-mismatch"


_POST_TWO = text(
    "SELECT ledger_post_two(:key, :body_hash, :reason, :subject, :actor, CAST(:authorised_by AS jsonb),"
    " CAST(:reverses AS bigint), :now, :asset, CAST(:units AS numeric),"
    " :from_kind, :from_owner, :from_pledge, :to_kind, :to_owner, :to_pledge)"
)
_POST_MANY = text(
    "SELECT ledger_post(:keys, :body_hashes, :reasons, :subjects, :actors, CAST(:authorised_by AS jsonb[]),"
    " CAST(:reverses AS bigint[]), CAST(:legs AS int[]), :now, CAST(:entry_of AS int[]), CAST(:leg_of AS int[]),"
    " :kinds, :owners, :pledges, :assets, CAST(:units AS numeric[]))"
)
_LOCK = text("SELECT ledger_lock(:kinds, :owners, :pledges, :assets)")


def post(session: Session, *, entry: Entry, now: datetime) -> int:
    """Post one entry; its id. The same key with the same body posts nothing and gives the same id (I10).

    Raises ``IdempotencyMismatch``, ``InsufficientFunds``, ``VaultOverdrawn``.
    """
    if len(entry.postings) != 2:
        return post_batch(session, entries=[entry], now=now)[0]
    giving, taking = sorted(entry.postings, key=lambda posting: posting.units)
    arguments = {
        "key": entry.key,
        "body_hash": bytes.fromhex(entry.body_hash()),
        "reason": entry.reason.value,
        "subject": entry.subject,
        "actor": entry.actor,
        "authorised_by": json.dumps(dict(entry.authorised_by)),
        "reverses": entry.reverses,
        "now": now,
        "asset": taking.account.asset,
        "units": str(taking.units),
        "from_kind": giving.account.kind.value,
        "from_owner": giving.account.owner,
        "from_pledge": giving.account.pledge,
        "to_kind": taking.account.kind.value,
        "to_owner": taking.account.owner,
        "to_pledge": taking.account.pledge,
    }
    return int(_call(session, _POST_TWO, arguments))


def post_batch(session: Session, *, entries: Sequence[Entry], now: datetime) -> list[int]:
    """Post entries in this order, all or none; their ids. An account is written once however often it occurs,
    yet each posting has the balance before and after it, and none of those has the wrong sign.

    Raises as ``post`` does.
    """
    if not entries:
        return []
    lines = [
        (number, leg, line)
        for number, entry in enumerate(entries, 1)
        for leg, line in enumerate(sorted(entry.postings, key=lambda posting: posting.account), 1)
    ]
    arguments = {
        "keys": [entry.key for entry in entries],
        "body_hashes": [bytes.fromhex(entry.body_hash()) for entry in entries],
        "reasons": [entry.reason.value for entry in entries],
        "subjects": [entry.subject for entry in entries],
        "actors": [entry.actor for entry in entries],
        "authorised_by": [json.dumps(dict(entry.authorised_by)) for entry in entries],
        "reverses": [entry.reverses for entry in entries],
        "legs": [len(entry.postings) for entry in entries],
        "now": now,
        "entry_of": [number for number, _, _ in lines],
        "leg_of": [leg for _, leg, _ in lines],
        "units": [str(line.units) for _, _, line in lines],
        **_names([line.account for _, _, line in lines]),
    }
    return [int(entry_id) for entry_id in _call(session, _POST_MANY, arguments)]


def locked_balances(session: Session, accounts: Sequence[AccountRef]) -> list[int]:
    """Lock these accounts to the end of the unit, opening missing ones; their signed balances, in this order."""
    names = _names(sorted(accounts))
    balances = dict(zip(sorted(accounts), _call(session, _LOCK, names), strict=True))
    return [int(balances[account]) for account in accounts]


def _names(accounts: Sequence[AccountRef]) -> dict[str, list[str]]:
    return {
        "kinds": [account.kind.value for account in accounts],
        "owners": [account.owner for account in accounts],
        "pledges": [account.pledge for account in accounts],
        "assets": [account.asset for account in accounts],
    }


def _call(session: Session, statement: Any, arguments: Mapping[str, Any]) -> Any:
    try:
        return session.execute(statement, arguments).scalar_one()
    except DBAPIError as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from error


def _refusal(error: DBAPIError) -> CustodyError | None:
    state = getattr(error.orig, "sqlstate", None)
    diagnostics = getattr(error.orig, "diag", None)
    account = getattr(diagnostics, "message_detail", None) or ""
    if state == "LG001":
        return InsufficientFunds("the account would fall below zero", account=account)
    if state == "LG002":
        return IdempotencyMismatch("this key was used for something else", field="idempotency_key")
    if state == "LG004":
        return VaultOverdrawn("more than the books hold there", account=account)
    return None
