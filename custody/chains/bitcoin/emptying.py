"""Emptying a vault: which coins leave together, and at which fee nothing of them is left. Pure and deterministic.

Amounts are satoshi, rates satoshi per 1000 virtual bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from custody.chains.bitcoin.offline.address import dust_limit_sat
from custody.chains.bitcoin.offline.fees import FeeCaps, FeeOverCap
from custody.chains.bitcoin.spend_plan import Coin, Selection, SpendPlan, plan_spend, total_sat
from custody.chains.spending import Share, Shares


def emptied(
    coins: Iterable[Coin],
    *,
    most_sat: int,
    most_inputs: int,
    rate_sat_kvb: int,
    threshold: int,
    members: int,
    script: bytes,
    caps: FeeCaps,
) -> Shares:
    """The coins in payments of at most ``most_inputs`` each to a script as long as ``script``, the largest first.

    Together with their fees the payments take at most ``most_sat``: the last may bring change, and pays for it. Coins
    worth no more than their own input costs, and payments whose fee passes a cap, are left.
    """
    terms = plan_spend([(script, 1)], rate_sat_kvb, threshold, members, script, caps, None)
    free = list(coins)
    worth = _up_to(terms.economic(free, besides=()), most_sat)
    shares, rest_sat = [], most_sat
    for start in range(0, len(worth), most_inputs):
        together = worth[start : start + most_inputs]
        share = _share(terms, tuple(together), rest_sat)
        if share is None:
            break
        shares.append(share)
        rest_sat -= share.units + share.fee_units
    moved_sat = sum(share.units + share.fee_units for share in shares)
    return Shares(tuple(shares), min(total_sat(free), most_sat) - moved_sat)


def _up_to(coins: Sequence[Coin], most_sat: int) -> list[Coin]:
    """The first coins that hold so much, and no more of them: what is not asked for is somebody else's in a pool."""
    found: list[Coin] = []
    for coin in coins:
        if total_sat(found) >= most_sat:
            break
        found.append(coin)
    return found


def _share(terms: SpendPlan, coins: tuple[Coin, ...], rest_sat: int) -> Share | None:
    brings_change = total_sat(coins) > rest_sat
    vsize = terms.vsize(len(coins), change=brings_change)
    fee_sat = terms.fee_sat(vsize)
    amount_sat = min(total_sat(coins), rest_sat) - fee_sat
    if amount_sat < dust_limit_sat(terms.change_script):
        return None
    asked = plan_spend(
        [(terms.change_script, amount_sat)],
        terms.rate_sat_kvb,
        terms.threshold,
        terms.members,
        terms.change_script,
        terms.caps,
        None,
    )
    try:
        asked.check(Selection(coins, None, fee_sat, vsize))
    except FeeOverCap:
        return None
    return Share(amount_sat, fee_sat, frozenset(f"{coin.txid}:{coin.vout}" for coin in coins))
