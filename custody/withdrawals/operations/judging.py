"""What the policy sees of a withdrawal: its facts now, and what its limits have already let out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from custody.addresses import queries as addresses
from custody.clients.queries import Client
from custody.evidence.requests import RespendRequest, WithdrawalRequest
from custody.kernel.money import Asset
from custody.vaults.model import Vault
from custody.withdrawals.states import State
from custody.withdrawals.tables import COUNTED, COUNTS_UNTIL, WithdrawalRow
from policies.decision import Decision
from policies.document import Document
from policies.engine import evaluate
from policies.facts import Facts, Usage, UsageTotals
from policies.windows import PastRequest, WindowQuery, usage_from, windows_needed


def facts_of(
    session: Session,
    *,
    request: WithdrawalRequest,
    locator: bytes,
    asset: Asset,
    client: Client,
    vault: Vault,
    now: datetime,
) -> Facts:
    """Everything the policy may read of this request, as of ``now``."""
    own = bool(addresses.by_locators(session, [locator]))
    age = int((now - vault.reconciled_at).total_seconds()) if vault.reconciled_at else None
    return Facts(
        kind=request.kind,
        requester=request.requester,
        now=now,
        client=client.id,
        client_status=client.status,
        segregation=client.segregation,
        asset=asset.code,
        decimals=asset.decimals,
        chain=vault.chain,
        destination="own" if own else "new",
        destination_text=request.destination,
        amount_units=request.amount,
        vault_break="open" if vault.is_in_doubt else "none",
        books_age_seconds=age,
    )


def facts_of_respend(*, request: RespendRequest, asset: Asset, client: Client, vault: Vault, now: datetime) -> Facts:
    """Everything the policy may read of giving a withdrawal up: its money stays where it is."""
    age = int((now - vault.reconciled_at).total_seconds()) if vault.reconciled_at else None
    return Facts(
        kind=request.kind,
        requester=request.requester,
        now=now,
        client=client.id,
        client_status=client.status,
        segregation=client.segregation,
        asset=asset.code,
        decimals=asset.decimals,
        chain=vault.chain,
        destination="own",
        destination_text=vault.id,
        amount_units=request.amount,
        vault_break="open" if vault.is_in_doubt else "none",
        books_age_seconds=age,
    )


def judge(
    session: Session, *, policy: Document, facts: Facts, exclude: str | None = None, before: datetime | None = None
) -> Decision:
    """The policy's decision on ``facts``. Counts under one lock what was admitted earlier.

    ``exclude`` is the withdrawal itself; ``before`` leaves out whatever was admitted after it, so that on a
    second evaluation nobody starves.
    """
    queries = windows_needed(policy, facts)
    _lock_windows(session, queries)
    usages = {
        (query.rule, query.per, query.window_seconds): usage_from(_past(session, query, exclude, before), query)
        for query in queries
    }
    return evaluate(policy, facts, _as_usage(usages))


def _as_usage(usages: Mapping[tuple[str, str, int], UsageTotals]) -> Usage:
    def usage(rule_id: str, per: str, window_seconds: int, /) -> UsageTotals | None:
        return usages.get((rule_id, per, window_seconds))

    return usage


def _lock_windows(session: Session, queries: Iterable[WindowQuery]) -> None:
    """One lock per key a limit counts under, in sorted order, held with the hold to the unit's end."""
    for key in sorted({f"window:{query.per}:{query.key}" for query in queries}):
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


def _past(session: Session, query: WindowQuery, exclude: str | None, before: datetime | None) -> list[PastRequest]:
    counted = select(WithdrawalRow).where(COUNTED, query.since < COUNTS_UNTIL)
    if query.per == "client":
        counted = counted.where(WithdrawalRow.client_id == query.key)
    if query.per == "destination":
        counted = counted.where(WithdrawalRow.destination == query.key)
    if exclude is not None:
        counted = counted.where(WithdrawalRow.id != exclude)
    # The time of asking is compared here: there, it would tempt the planner to an index that holds all history.
    return [
        PastRequest(Facts.from_json(row.facts), _latest(row, query), released=False)
        for row in session.execute(counted).scalars()
        if before is None or row.requested_at < before
    ]


def _latest(row: WithdrawalRow, query: WindowQuery) -> datetime:
    """Money on its way counts as now; done money from when it was done."""
    if row.state == State.COMPLETED:
        return row.state_since
    return max(row.state_since, query.since + timedelta(seconds=query.window_seconds))
