"""Planning an attempt: between the unit that reads and the unit that writes. Asks the node, writes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from custody.chains.bitcoin import fees
from custody.chains.bitcoin.coin_selection import Selection, bump, select
from custody.chains.bitcoin.offline.script import p2wsh_script
from custody.chains.port import ChainNode
from custody.spends.model import Candidates, PlacedCoin, Planned, SpendRules

CHANGE_SHAPE = p2wsh_script(b"")
"""A script as long as the change's will be: which address it is, the writing unit decides."""


def plan(
    reader: ChainNode, candidates: Candidates, *, rules: SpendRules, fee_rate_sat_kvb: int | None = None
) -> Planned:
    """Choose coins and fee for the order, and fetch the transactions that made the coins.

    With attempts before it this is a replacement: all their inputs, the same payment, a higher fee. Raises
    ``NodeNotReady``, ``InsufficientCoins``, ``FeeOverCap`` or ``CannotBump``.
    """
    reader.require_ready()
    rate = fee_rate_sat_kvb if fee_rate_sat_kvb is not None else _estimate(reader, rules)
    selection = _replace(candidates, rules, rate) if candidates.earlier else _fresh(candidates, rules, rate)
    coins = _placed(candidates, selection)
    previous = {coin.txid: reader.raw_transaction(coin.txid, coin.block_hash) for coin in coins}
    return Planned(candidates.order, selection, coins, previous, rate)


def _estimate(reader: ChainNode, rules: SpendRules) -> int:
    return fees.estimate(
        reader,
        target_blocks=rules.target_blocks,
        floor_sat_kvb=rules.floor_sat_kvb,
        cap_sat_kvb=rules.cap_sat_kvb,
        fallback_sat_kvb=rules.fallback_sat_kvb,
    )


def _fresh(candidates: Candidates, rules: SpendRules, rate: int) -> Selection:
    return select(
        coins=[placed.coin for placed in candidates.free],
        payments=[candidates.order.payment],
        fee_rate_sat_kvb=rate,
        threshold=candidates.threshold,
        members=candidates.members,
        change_script=CHANGE_SHAPE,
        caps=rules.caps,
        ceiling_sat=candidates.order.ceiling_sat,
    )


def _replace(candidates: Candidates, rules: SpendRules, rate: int) -> Selection:
    payment = candidates.order.payment
    return bump(
        previous=[attempt.rival(payment) for attempt in candidates.earlier],
        extra=[placed.coin for placed in candidates.free],
        fee_rate_sat_kvb=min(rate, rules.cap_sat_kvb),
        threshold=candidates.threshold,
        members=candidates.members,
        change_script=CHANGE_SHAPE,
        caps=rules.caps,
        ceiling_sat=candidates.order.ceiling_sat,
    )


def _placed(candidates: Candidates, selection: Selection) -> tuple[PlacedCoin, ...]:
    known: Iterable[PlacedCoin] = (*candidates.free, *(coin for item in candidates.earlier for coin in item.inputs))
    places = {(coin.txid, coin.vout): coin for coin in known}
    return tuple(places[coin.outpoint] for coin in selection.inputs)
