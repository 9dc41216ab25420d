"""Which coins pay for a transaction, what its fee is and what comes back as change. Pure and deterministic.

Amounts are satoshi, rates satoshi per 1000 virtual bytes, sizes virtual bytes (BIP-141) estimated from above.
The same arguments give the same answer in any order of ``coins``. Sum of inputs = payments + change + fee, always.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from custody.chains.bitcoin.offline.fees import FeeCaps, FeeOverCap
from custody.chains.bitcoin.offline.psbt import MAX_INPUTS
from custody.chains.bitcoin.spend_plan import (
    Attempt,
    Coin,
    Payment,
    Selection,
    SpendPlan,
    distinct,
    fee_at,
    plan_spend,
    total_sat,
)
from custody.chains.spending import CannotReplace, NothingFree

__all__ = [
    "MAX_INPUTS",
    "Attempt",
    "Coin",
    "Payment",
    "Selection",
    "bump",
    "select",
]

SEARCH_STEPS: Final = 20_000
"""Bound on the search for an exact match."""


def select(
    *,
    coins: Iterable[Coin],
    payments: Sequence[tuple[bytes, int]],
    fee_rate_sat_kvb: int,
    threshold: int,
    members: int,
    change_script: bytes,
    caps: FeeCaps,
    ceiling_sat: int | None = None,
    required: Sequence[Coin] = (),
    is_bare: bool = False,
) -> Selection:
    """The cheapest funding found among: an exact match without change, one coin, the largest coins first.

    Every coin of ``required`` is spent, first and in order. Of ``coins`` only confirmed ones worth more than their
    own input costs at this rate are (P-021). Change too small to be relayed or to be worth spending becomes fee; with
    ``is_bare`` whatever stays below every cap does. Raises ``FeeOverCap`` when only the caps stand in the way, else
    ``NothingFree``.
    """
    plan = plan_spend(payments, fee_rate_sat_kvb, threshold, members, change_script, caps, ceiling_sat, is_bare=is_bare)
    spendable = plan.economic(coins, besides=required)
    passing, refusal = _sift(plan, _input_sets(plan, tuple(distinct(required)), spendable))
    if passing:
        return min(passing, key=plan.cost)
    if refusal is not None:
        raise refusal
    raise _insufficient(plan, required, spendable)


def bump(
    *,
    previous: Sequence[Attempt],
    extra: Iterable[Coin],
    fee_rate_sat_kvb: int,
    threshold: int,
    members: int,
    change_script: bytes,
    caps: FeeCaps,
    ceiling_sat: int | None = None,
    descendant_fees_sat: int = 0,
) -> Selection:
    """A replacement of every attempt before it: all their inputs, the same payments, a higher fee (BIP-125 rules 3, 4).

    The fee is what ``fee_rate_sat_kvb`` asks, or the least that replaces if that is more; ``descendant_fees_sat`` is
    what others pay on top of the attempt replaced. Change may shrink or vanish; when that does not do, one more
    confirmed coin of ``extra`` is added, the smallest that serves. Raises ``CannotReplace``.
    """
    _refuse_unlike(previous)
    highest = max(attempt.fee_sat * 1000 // attempt.vsize for attempt in previous)
    plan = plan_spend(
        previous[0].payments,
        max(fee_rate_sat_kvb, highest),
        threshold,
        members,
        change_script,
        caps,
        ceiling_sat,
        replaced=tuple(previous),
        descendant_fees_sat=descendant_fees_sat,
    )
    inputs = tuple(distinct(coin for attempt in previous for coin in attempt.inputs))
    spendable = plan.economic(extra, besides=inputs)
    refusal: FeeOverCap | None = None
    for candidate in (inputs, *((*inputs, coin) for coin in reversed(spendable))):
        passing, over = _sift(plan, (candidate,))
        if passing:
            return passing[0]
        refusal = refusal or over
    raise _cannot_replace(refusal) from refusal


def _sift(plan: SpendPlan, sets: Iterable[tuple[Coin, ...]]) -> tuple[list[Selection], FeeOverCap | None]:
    """Every arrangement that stays under the caps, and the first refusal among those that do not."""
    passing: list[Selection] = []
    refusal: FeeOverCap | None = None
    for inputs in sets:
        if not 0 < len(inputs) <= MAX_INPUTS:
            continue
        for selection in plan.arrangements(inputs):
            try:
                plan.check(selection)
            except FeeOverCap as over:
                refusal = refusal or over
            else:
                passing.append(selection)
                break
    return passing, refusal


def _input_sets(plan: SpendPlan, required: tuple[Coin, ...], spendable: list[Coin]) -> Iterator[tuple[Coin, ...]]:
    """The sets worth comparing. ``spendable`` is sorted, the largest first."""
    yield required
    yield from _exact(plan, required, spendable)
    yield from _single(plan, required, spendable)
    yield from _largest_first(plan, required, spendable)


def _exact(plan: SpendPlan, required: tuple[Coin, ...], spendable: list[Coin]) -> Iterator[tuple[Coin, ...]]:
    base_vsize, with_change = plan.vsize(len(required), change=False), plan.vsize(len(required), change=True)
    target_sat = plan.paid_sat + plan.fee_sat(base_vsize) - total_sat(required)
    slack_sat = fee_at(plan.rate_sat_kvb, with_change - base_vsize) + plan.upkeep_sat
    worth = [coin.amount_sat - plan.input_cost_sat for coin in spendable]
    found = _closest_sum(worth, target_sat, target_sat + slack_sat, MAX_INPUTS - len(required))
    if found is not None:
        yield (*required, *sorted(spendable[index] for index in found))


def _single(plan: SpendPlan, required: tuple[Coin, ...], spendable: list[Coin]) -> Iterator[tuple[Coin, ...]]:
    for change in (False, True):
        need_sat = plan.need_sat(len(required) + 1, change=change) - total_sat(required)
        fitting = [coin for coin in spendable if coin.amount_sat >= need_sat]
        if fitting:
            yield (*required, fitting[-1])


def _largest_first(plan: SpendPlan, required: tuple[Coin, ...], spendable: list[Coin]) -> Iterator[tuple[Coin, ...]]:
    """The shortest run of the largest coins that suffices, and that run with one more, which may allow change."""
    sum_sat = total_sat(required)
    for count, coin in enumerate(spendable, start=1):
        sum_sat += coin.amount_sat
        if sum_sat >= plan.need_sat(len(required) + count):
            for length in (count, count + 1):
                yield (*required, *sorted(spendable[:length]))
            return


def _closest_sum(values: Sequence[int], low: int, high: int, most: int) -> list[int] | None:
    """Indexes of at most ``most`` of ``values`` (falling, all above 0) with the least sum from ``low`` to ``high``.

    A depth-first search that takes before it skips, bounded by ``SEARCH_STEPS``. Of equal values the first are taken.
    """
    rest = [0] * (len(values) + 1)
    unequal = [len(values)] * (len(values) + 1)
    for index in reversed(range(len(values))):
        rest[index] = rest[index + 1] + values[index]
        same = index + 1 < len(values) and values[index + 1] == values[index]
        unequal[index] = unequal[index + 1] if same else index + 1
    best: tuple[int, ...] | None = None
    stack: list[tuple[int, int, tuple[int, ...]]] = [(0, 0, ())]
    for _ in range(SEARCH_STEPS):
        if not stack:
            break
        index, total, taken = stack.pop()
        if total > high or total + rest[index] < low or (total < low and len(taken) == most):
            continue
        if total >= low:
            best, high = taken, total - 1
            continue
        stack.append((unequal[index], total, taken))
        stack.append((index + 1, total + values[index], (*taken, index)))
    return list(best) if best else None


def _refuse_unlike(previous: Sequence[Attempt]) -> None:
    if not previous:
        raise ValueError("a replacement replaces something")
    first = previous[0]
    if any(attempt.payments != first.payments for attempt in previous):
        raise CannotReplace("the attempts do not pay the same", why="payments differ")
    shared = set.intersection(*({coin.outpoint for coin in attempt.inputs} for attempt in previous))
    if not shared:
        raise CannotReplace("the attempts share no input, more than one could confirm", why="no common input")


def _insufficient(plan: SpendPlan, required: Sequence[Coin], spendable: Sequence[Coin]) -> NothingFree:
    usable = spendable[: max(0, MAX_INPUTS - len(required))]
    count = len(required) + len(usable)
    available_sat, needed_sat = total_sat(required) + total_sat(usable), plan.need_sat(max(count, 1))
    return NothingFree(
        f"{count} coins worth spending hold {available_sat} sat; payments and fee need {needed_sat} sat",
        available_sat=available_sat,
        needed_sat=needed_sat,
        coins=count,
    )


def _cannot_replace(refusal: FeeOverCap | None) -> CannotReplace:
    if refusal is None:
        return CannotReplace("no coins left to raise the fee with", why="insufficient coins")
    return CannotReplace(f"the fee cannot rise: {refusal.message}", why="fee cap", **refusal.facts)
