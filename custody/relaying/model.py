"""Values of relaying, how a bid is chosen and how one fee is shared. Amounts are of the chain's own asset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from custody.chains.carrying import Bid, Draft, Market, PayerRules, Prospect, Readiness
from custody.chains.spending import FeeOverCap, Terms
from custody.relaying.states import CarriageState, LoadState


@dataclass(frozen=True, slots=True)
class Load:
    """One signed spend that is to be carried."""

    chain: str
    spend: str
    claim: str
    """What it uses up: of two with one claim, one can be carried out."""
    final: bytes
    client: str | None
    ceiling_units: int
    """The most its client may be billed."""
    state: LoadState
    carriage: str | None
    tries: int
    waiting_for: str | None
    offered_at: datetime


@dataclass(frozen=True, slots=True)
class Cost:
    """What carrying one spend cost, and how much of it its client bore; the house bore the rest."""

    units: int
    billed_units: int


@dataclass(frozen=True, slots=True)
class Variant:
    """One signed transaction of a carriage's number."""

    txid: str
    raw: bytes
    weight_limit: int
    bid: Bid
    spends: tuple[str, ...]
    outcome: str | None
    """What the node said of it last."""


@dataclass(frozen=True, slots=True)
class StoredCarriage:
    """A number of the payer's, and every transaction signed for it: one of them lands."""

    id: str
    chain: str
    account: str
    number: int
    state: CarriageState
    variants: tuple[Variant, ...]
    """The oldest first."""
    txid: str | None
    """The variant that landed."""
    height: int | None
    fee_units: int | None
    raise_asked: bool
    waiting_for: str | None
    newest_at: datetime
    """When its newest variant was signed."""


@dataclass(frozen=True, slots=True)
class PayerStanding:
    """The payer as we know it."""

    chain: str
    account: str
    vault: str
    next_number: int
    is_low: bool
    stopped_reason: str | None


def first_bid(market: Market, rules: PayerRules) -> Bid:
    """What a new carriage bids. Raises ``FeeOverCap`` where the market alone is above the cap: it waits."""
    tip = min(max(market.tip, rules.tip_floor), rules.tip_cap)
    if market.base + tip > rules.rate_cap:
        raise FeeOverCap(
            f"the market asks {market.base + tip} per unit of weight, and the cap is {rules.rate_cap}",
            field="fee",
            cap="rate",
            limit=rules.rate_cap,
        )
    return Bid(min(market.base * rules.base_factor_bps // 10_000 + tip, rules.rate_cap), tip)


def raised_bid(earlier: Sequence[Bid], market: Market, rules: PayerRules) -> Bid:
    """What replaces these: more of both by the configured part, no less than the market. Raises ``FeeOverCap``."""
    fresh = first_bid(market, rules)
    tip = max(_more(max(bid.tip for bid in earlier), rules.bump_bps), fresh.tip)
    rate = max(_more(max(bid.rate for bid in earlier), rules.bump_bps), fresh.rate, tip)
    if rate > rules.rate_cap:
        raise FeeOverCap(
            f"a replacement bids {rate} per unit of weight, and the cap is {rules.rate_cap}",
            field="fee",
            cap="rate",
            limit=rules.rate_cap,
        )
    return Bid(rate, tip)


def within_caps(bid: Bid, draft: Draft, terms: Terms, *, least: int) -> Bid:
    """The bid, or the least that will do, whichever a whole fee under every cap allows (I16). Raises ``FeeOverCap``."""
    lowest = min(bid.rate, max(least, bid.tip))
    try:
        _check(bid.rate, draft, terms)
    except FeeOverCap:
        _check(lowest, draft, terms)
        return Bid(lowest, bid.tip)
    return bid


def _check(rate: int, draft: Draft, terms: Terms) -> None:
    weight = draft.weight_limit
    terms.check_fee(fee_units=rate * weight, weight=weight, paid_units=None, ceiling_units=None)


def groups(ready: Sequence[tuple[Load, Prospect]], rules: PayerRules) -> list[list[tuple[Load, Prospect]]]:
    """Who goes with whom: what needs its place made goes alone, the rest together as far as it may.

    So does what a carriage has left behind: one of several can burn what the others needed, and not twice.
    """
    found: list[list[tuple[Load, Prospect]]] = []
    together: list[tuple[Load, Prospect]] = []
    weight = 0
    for load, prospect in ready:
        if load.tries or prospect.readiness is not Readiness.READY:
            found.append([(load, prospect)])
            continue
        if together and (len(together) >= rules.most_together or weight + prospect.weight > rules.weight_cap):
            found.append(together)
            together, weight = [], 0
        together.append((load, prospect))
        weight += prospect.weight
    return [*found, together] if together else found


def shares(fee_units: int, weights: Mapping[str, int]) -> dict[str, int]:
    """One fee divided by weight, to the unit; what is left over goes to the largest remainders, then by name."""
    total = sum(weights.values())
    if not total:
        return {}
    found = {spend: fee_units * weight // total for spend, weight in weights.items()}
    left = fee_units - sum(found.values())
    by_remainder = sorted(weights, key=lambda spend: (-(fee_units * weights[spend] % total), spend))
    for spend in by_remainder[:left]:
        found[spend] += 1
    return found


def _more(units: int, bump_bps: int) -> int:
    return -(-units * (10_000 + bump_bps) // 10_000)
