"""Around one payment: what is known of who is paid, what its books look like before and after, and what rivals it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from custody.approvals import queries as intents
from custody.approvals.queries import FiledIntent
from custody.chains.registry import spending
from custody.chains.spending import leaving
from custody.evidence.requests import RespendRequest
from custody.kernel.clock import rfc3339
from custody.kernel.money import Asset
from custody.ledger import queries as ledger
from custody.ledger.model import AccountKind, AccountRef, HoldState
from custody.listings import queries as listings
from custody.trust.assets import KnownAssets
from custody.views.objects import money
from custody.withdrawals import queries as withdrawals
from custody.withdrawals.model import Withdrawal


def known_of(session: Session, filed: FiledIntent, *, assets: KnownAssets) -> dict[str, Any] | None:
    """Since when the destination is listed and by whom, and what the client paid to it. Four statements at most."""
    request = filed.intent.request
    to, named = (getattr(request, name, None) for name in ("destination", "asset"))
    if not isinstance(to, str) or not isinstance(named, str):
        return None
    place = {"client": filed.client, "chain": filed.intent.chain, "destination": to}
    listing = listings.named(session, **place)
    paid = withdrawals.paid_before(session, **place, asset=named)
    people: list[str] = []
    if listing is not None:
        asked = intents.get(session, digest=listing.digest).intent.request.requester
        said = [each.statement for each in intents.given(session, digest=listing.digest)]
        people = [asked, *sorted(each.approver for each in said if each.verdict == "approve")]
    return {
        "listed_at": None if listing is None else rfc3339(listing.listed_at),
        "counts_from": None if listing is None else rfc3339(listing.counts_from),
        "listed_by": people,
        "payments": paid.count,
        "last_at": None if paid.last_at is None else rfc3339(paid.last_at),
        "largest": money(paid.largest_units, assets.of(named)),
    }


def before_and_after(session: Session, payment: Withdrawal, *, assets: KnownAssets) -> list[dict[str, Any]]:
    """What the books say now of all it moves, and what they would at its dearest. Empty once nothing is held for it.

    Three statements.
    """
    hold = ledger.find_hold(session, hold_id=payment.hold) if payment.hold else None
    if hold is None or hold.state != HoldState.PENDING:
        return []
    asset, held = assets.of(payment.asset), hold.amount.units
    goes = leaving(spending(payment.chain), units=payment.units, fee_units=payment.max_fee_units)
    vault = AccountRef(AccountKind.ONCHAIN, payment.vault, payment.asset)
    there = ledger.account_balance(session, account=vault)
    own = next((each for each in ledger.balances(session, client=payment.client) if each.asset == payment.asset), None)
    if own is None:
        return []
    return [
        _row("client, available", own.available, own.available + held - goes, asset),
        _row("client, held", own.held, own.held - held, asset),
        _row("vault, on chain", there, there - goes, asset),
    ]


def _row(what: str, before: int, after: int, asset: Asset) -> dict[str, Any]:
    return {"what": what, "before": money(before, asset), "after": money(after, asset), "code": asset.code}


def rivals(filed: FiledIntent, payment: Withdrawal | None) -> list[dict[str, str]]:
    """The other intent about the same money, each with what happens to it."""
    if payment is not None and payment.respend is not None:
        said = "asks to give this payment up: it takes the same coins or turn, and one of the two confirms"
        return [{"digest": payment.respend, "words": said}]
    request = filed.intent.request
    if isinstance(request, RespendRequest):
        said = "is the payment this gives up: whichever confirms first ends the other"
        return [{"digest": request.of, "words": said}]
    return []
