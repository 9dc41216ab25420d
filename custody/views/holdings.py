"""What a client has: balances with every hold and pledge inside them, so that the parts add up to the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from custody.approvals import queries as intents
from custody.approvals.queries import FiledIntent
from custody.clients import queries as clients
from custody.kernel.money import Asset
from custody.ledger import queries as ledger
from custody.ledger.model import Hold
from custody.ledger.queries import ClientBalance
from custody.trust.assets import assets_seen
from custody.views.objects import asset_view, balance_view, money, when
from custody.withdrawals import queries as withdrawals
from custody.withdrawals.model import Withdrawal

HOLDS: Final = 500
"""Holds named one by one; what is held beyond them is told as one sum."""


def balances(session: Session, *, client: str) -> list[dict[str, Any]]:
    """Each asset of the client with its holds by purpose and its pledges, out of one snapshot.

    ``session`` sees one moment in all its statements (``reconciliation.books.still``): so ``held`` is the sum of
    ``holds`` and ``other_holds``, ``pledged`` that of ``pledges``. Raises ``UnknownClient``.
    """
    clients.get(session, client=client)
    assets, found = assets_seen(session), ledger.balances(session, client=client)
    holds = ledger.pending_holds(session, client=client, limit=HOLDS)
    payments = withdrawals.by_ids(session, ids=[hold.subject for hold in holds])
    filed = intents.among(session, digests=[each.digest for each in payments.values()]) if payments else {}
    pledged = ledger.pledges(session, client=client)
    return [
        balance_view(each, assets)
        | _parts(
            each, assets.of(each.asset), [hold for hold in holds if hold.amount.asset == each.asset], payments, filed
        )
        | {
            "pledges": [
                {"pledge": pledge, "amount": money(units, assets.of(asset))}
                for _, pledge, asset, units in pledged
                if asset == each.asset
            ]
        }
        for each in found
    ]


def pledges(session: Session, *, client: str | None) -> list[dict[str, Any]]:
    """What is pledged, by client, pledge and asset; of one client where asked."""
    assets = assets_seen(session)
    return [
        {
            "id": pledge,
            "client": owner,
            "asset": asset_view(assets.of(asset)),
            "amount": money(units, assets.of(asset)),
            "status": "pledged",
            "reason": None,
            "next_actor": "nobody",
            "expires_at": None,
        }
        for owner, pledge, asset, units in ledger.pledges(session, client=client)
    ]


def _parts(
    balance: ClientBalance,
    asset: Asset,
    holds: Iterable[Hold],
    payments: Mapping[str, Withdrawal],
    filed: Mapping[str, FiledIntent],
) -> dict[str, Any]:
    named, told = [], 0
    for hold in holds:
        payment = payments.get(hold.subject)
        request = None if payment is None else filed[payment.digest].intent.request
        told += hold.amount.units
        named.append(
            {
                "id": hold.id,
                "amount": money(hold.amount.units, asset),
                "withdrawal": None if payment is None else payment.id,
                "kind": None if payment is None else payment.kind,
                "purpose": getattr(request, "purpose", None),
                "status": None if payment is None else payment.state.value,
                "since": when(hold.created_at),
            }
        )
    return {"holds": named, "other_holds": money(balance.held - told, asset)}
