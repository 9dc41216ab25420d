"""Planning a payment: which coins, which fee, and what made the coins. Asks the node, writes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from custody.chains.bitcoin import fees
from custody.chains.bitcoin.coin_selection import Attempt, Coin, Payment, Selection, bump, select
from custody.chains.bitcoin.emptying import emptied
from custody.chains.bitcoin.offline.script import p2wsh_script
from custody.chains.bitcoin.terms import BitcoinTerms, over_cap, terms_of
from custody.chains.port import NodeStatus
from custody.chains.spending import Candidates, Earlier, Input, Plan, Shares, SpendRules
from custody.chains.spending import Coin as PlacedCoin

CHANGE_SHAPE = p2wsh_script(b"")
"""A script as long as the change's will be: which address it is, the writing unit decides."""


class PlanningNode(fees.FeeSource, Protocol):
    """What planning asks of a node."""

    def require_ready(self) -> NodeStatus:
        """The status of a node that may be believed. Raises ``WrongNetwork`` or ``NodeNotReady``."""

    def raw_transaction(self, txid: str, block_hash: str | None = None) -> bytes:
        """The bytes of a transaction, in the block named. Raises ``TransactionNotFound``."""


def plan(node: PlanningNode, candidates: Candidates, *, rules: SpendRules, fee_rate: int | None) -> Plan:
    """Choose coins and fee for the order, and fetch the transactions that made the coins.

    ``fee_rate`` is satoshi per 1000 virtual bytes, None for the node's estimate. With attempts before it this is a
    replacement: all their inputs, the same payment, a higher fee. Raises ``NodeNotReady``, ``NothingFree``,
    ``FeeOverCap`` or ``CannotReplace``.
    """
    terms = terms_of(rules)
    node.require_ready()
    rate = fee_rate if fee_rate is not None else _estimate(node, terms)
    with over_cap():
        selection = _replace(candidates, terms, rate) if candidates.earlier else _fresh(candidates, terms, rate)
    coins = _placed(candidates, selection)
    proofs = {coin.txid: node.raw_transaction(coin.txid, coin.block_hash) for coin in coins}
    return Plan(candidates.order, coins, selection.change_sat, selection.vsize, proofs)


def share(
    node: PlanningNode, candidates: Candidates, *, rules: SpendRules, most_inputs: int, fee_rate: int | None
) -> Shares:
    """How to empty the vault in payments of at most so many coins. ``fee_rate`` as in ``plan``.

    Raises ``NodeNotReady``.
    """
    terms = terms_of(rules)
    node.require_ready()
    return emptied(
        [_coin(placed) for placed in candidates.coins],
        most_sat=candidates.order.units,
        most_inputs=most_inputs,
        rate_sat_kvb=fee_rate if fee_rate is not None else _estimate(node, terms),
        threshold=candidates.keyset.threshold,
        members=len(candidates.keyset.cosigners),
        script=CHANGE_SHAPE,
        caps=terms.caps,
    )


def fee_units(plan: Plan) -> int:
    """What the plan's coins have beyond what is paid and comes back, in satoshi."""
    return sum(coin.units for coin in coins_of(plan.inputs)) - plan.order.units - (plan.change_units or 0)


def coins_of(inputs: Iterable[Input]) -> tuple[PlacedCoin, ...]:
    """The inputs, which are coins on this chain. Raises ``TypeError`` where one is not."""
    found = tuple(inputs)
    coins = tuple(item for item in found if isinstance(item, PlacedCoin))
    if len(coins) != len(found):
        raise TypeError("an input that is no coin")
    return coins


def _estimate(node: PlanningNode, terms: BitcoinTerms) -> int:
    return fees.estimate(
        node,
        target_blocks=terms.target_blocks,
        floor_sat_kvb=terms.floor_sat_kvb,
        cap_sat_kvb=terms.cap_sat_kvb,
        fallback_sat_kvb=terms.fallback_sat_kvb,
    )


def _fresh(candidates: Candidates, terms: BitcoinTerms, rate: int) -> Selection:
    return select(
        coins=[_coin(placed) for placed in candidates.coins],
        payments=[_payment(candidates)],
        fee_rate_sat_kvb=rate,
        threshold=candidates.keyset.threshold,
        members=len(candidates.keyset.cosigners),
        change_script=CHANGE_SHAPE,
        caps=terms.caps,
        ceiling_sat=candidates.order.ceiling_units,
        is_bare=candidates.order.leaves_nothing,
    )


def _replace(candidates: Candidates, terms: BitcoinTerms, rate: int) -> Selection:
    payment = _payment(candidates)
    return bump(
        previous=[_rival(earlier, payment) for earlier in candidates.earlier],
        extra=[_coin(placed) for placed in candidates.coins],
        fee_rate_sat_kvb=min(rate, terms.cap_sat_kvb),
        threshold=candidates.keyset.threshold,
        members=len(candidates.keyset.cosigners),
        change_script=CHANGE_SHAPE,
        caps=terms.caps,
        ceiling_sat=candidates.order.ceiling_units,
    )


def _placed(candidates: Candidates, selection: Selection) -> tuple[PlacedCoin, ...]:
    earlier = (coin for item in candidates.earlier for coin in coins_of(item.inputs))
    places = {(coin.txid, coin.position): coin for coin in (*candidates.coins, *earlier)}
    return tuple(places[coin.outpoint] for coin in selection.inputs)


def _coin(placed: PlacedCoin) -> Coin:
    return Coin(placed.txid, placed.position, placed.units)


def _payment(candidates: Candidates) -> Payment:
    return Payment(candidates.order.locator, candidates.order.units)


def _rival(earlier: Earlier, payment: Payment) -> Attempt:
    inputs = tuple(_coin(coin) for coin in coins_of(earlier.inputs))
    return Attempt(inputs, (payment,), earlier.fee_units, earlier.weight)
