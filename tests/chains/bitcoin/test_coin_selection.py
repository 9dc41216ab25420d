"""Coin selection and replacement: what must hold whatever the coins, rates and caps are."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from custody.chains.bitcoin.coin_selection import (
    MAX_INPUTS,
    Attempt,
    Coin,
    Payment,
    bump,
    select,
)
from custody.chains.bitcoin.offline.fees import FeeCaps, FeeOverCap, check_fee
from custody.chains.bitcoin.offline.transaction import estimate_vsize
from custody.chains.spending import CannotReplace, NothingFree

CHANGE = bytes.fromhex("0020" + "cc" * 32)
PAYEE = bytes.fromhex("0014" + "aa" * 20)
TAPROOT = bytes.fromhex("5120" + "bb" * 32)
DUST_SAT = 330
INPUT_VSIZE = 105
WIDE = FeeCaps(absolute_sat=10**12, rate_sat_kvb=10**9, share_bps=10_000)
WIDE_SHARE = replace(WIDE, share_bps=10**9)
BUMPED = FeeCaps(absolute_sat=60_000, rate_sat_kvb=500_000, share_bps=10**9)
HOUSE = FeeCaps(absolute_sat=500_000, rate_sat_kvb=500_000, share_bps=2_500)


def coin(number: int, amount_sat: int, *, confirmed: bool = True) -> Coin:
    return Coin(f"{number:064x}", number % 3, amount_sat, confirmed)


def coins(*amounts_sat: int) -> list[Coin]:
    return [coin(number, amount_sat) for number, amount_sat in enumerate(amounts_sat)]


def chosen(available, *paid_sat, rate=1_000, caps=WIDE, **terms):
    payments = [Payment(PAYEE, amount_sat) for amount_sat in paid_sat]
    return select(
        coins=available,
        payments=payments,
        fee_rate_sat_kvb=rate,
        threshold=2,
        members=3,
        change_script=CHANGE,
        caps=caps,
        **terms,
    )


def bumped(previous, extra=(), *, rate=2_000, caps=WIDE, **terms):
    return bump(
        previous=previous,
        extra=extra,
        fee_rate_sat_kvb=rate,
        threshold=2,
        members=3,
        change_script=CHANGE,
        caps=caps,
        **terms,
    )


def attempt(selection, *paid_sat):
    payments = tuple(Payment(PAYEE, amount_sat) for amount_sat in paid_sat)
    return Attempt(selection.inputs, payments, selection.fee_sat, selection.vsize)


def total(inputs):
    return sum(each.amount_sat for each in inputs)


def vsize(inputs: int, payments: int, *, change: bool) -> int:
    scripts = [PAYEE] * payments + [CHANGE] * change
    return estimate_vsize(inputs=inputs, threshold=2, members=3, output_scripts=scripts)


def holds_up(selection, available, paid_sat, rate, caps, ceiling_sat=None):
    assert total(selection.inputs) == sum(paid_sat) + (selection.change_sat or 0) + selection.fee_sat
    assert len({each.outpoint for each in selection.inputs}) == len(selection.inputs) <= MAX_INPUTS
    assert set(selection.inputs) <= set(available)
    assert all(each.confirmed for each in selection.inputs)
    assert selection.vsize == vsize(len(selection.inputs), len(paid_sat), change=selection.change_sat is not None)
    assert selection.fee_sat * 1000 >= rate * selection.vsize
    assert selection.change_sat is None or selection.change_sat >= DUST_SAT
    check_fee(
        fee_sat=selection.fee_sat,
        vsize=selection.vsize,
        paid_sat=sum(paid_sat),
        caps=caps,
        ceiling_sat=ceiling_sat,
    )


amounts = st.one_of(st.integers(300, 2_000), st.integers(2_000, 200_000), st.integers(200_000, 10**10))
rates = st.one_of(st.integers(1_000, 30_000), st.integers(30_000, 600_000))
pools = st.lists(
    st.builds(Coin, st.integers(0, 40).map("{:064x}".format), st.integers(0, 2), amounts, st.booleans()),
    max_size=40,
    unique_by=lambda each: each.outpoint,
)
paid = st.lists(st.integers(400, 10**8), min_size=1, max_size=4)


@given(pool=pools, paid_sat=paid, rate=rates, ceiling_sat=st.none() | st.integers(0, 100_000))
@settings(max_examples=400, deadline=None)
def test_a_selection_balances_pays_its_rate_and_keeps_every_cap(pool, paid_sat, rate, ceiling_sat):
    try:
        selection = chosen(pool, *paid_sat, rate=rate, caps=HOUSE, ceiling_sat=ceiling_sat)
    except (NothingFree, FeeOverCap):
        return
    holds_up(selection, pool, paid_sat, rate, HOUSE, ceiling_sat)
    assert all(each.amount_sat * 1000 > rate * (INPUT_VSIZE - 1) for each in selection.inputs)


@given(pool=pools, paid_sat=paid, rate=rates, seed=st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_the_order_of_the_coins_does_not_matter(pool, paid_sat, rate, seed):
    shuffled = pool[:]
    random.Random(seed).shuffle(shuffled)
    assert outcome(pool, paid_sat, rate) == outcome(shuffled, paid_sat, rate)


def outcome(pool, paid_sat, rate):
    try:
        return chosen(pool, *paid_sat, rate=rate, caps=HOUSE)
    except (NothingFree, FeeOverCap) as refused:
        return str(refused)


@given(pool=pools, paid_sat=paid, rate=rates)
@settings(max_examples=300, deadline=None)
def test_without_caps_it_pays_whenever_the_economic_coins_suffice(pool, paid_sat, rate):
    cost_sat = -(-rate * INPUT_VSIZE // 1000)
    economic = [each for each in pool if each.confirmed and each.amount_sat > cost_sat]
    size = vsize(len(economic), len(paid_sat), change=False)
    suffices = bool(economic) and total(economic) >= sum(paid_sat) + -(-rate * size // 1000)
    if suffices:
        holds_up(
            chosen(pool, *paid_sat, rate=rate, caps=replace(WIDE, share_bps=10**9)), pool, paid_sat, rate, WIDE_SHARE
        )
    else:
        with pytest.raises(NothingFree):
            chosen(pool, *paid_sat, rate=rate, caps=WIDE_SHARE)


@given(
    margin_sat=st.integers(200, 60_000),
    more=pools,
    extra=pools,
    paid_sat=paid,
    rate=st.integers(1_000, 20_000),
    higher=st.lists(st.integers(1_000, 100_000), min_size=1, max_size=3),
)
@example(margin_sat=50_000, more=[], extra=[], paid_sat=[50_000], rate=1_000, higher=[2_000, 2_000, 2_000])
@example(margin_sat=200, more=[], extra=coins(9_000, 8_000), paid_sat=[50_000], rate=1_000, higher=[9_000, 40_000])
@settings(max_examples=300, deadline=None)
def test_every_replacement_conflicts_with_all_before_and_pays_the_same_for_more(
    margin_sat, more, extra, paid_sat, rate, higher
):
    pool = [Coin("ff" * 32, 0, sum(paid_sat) + margin_sat), *more]
    try:
        attempts = [attempt(chosen(pool, *paid_sat, rate=rate, caps=BUMPED), *paid_sat)]
    except (NothingFree, FeeOverCap):
        return
    for next_rate in higher:
        try:
            selection = bumped(attempts, extra, rate=next_rate, caps=BUMPED)
        except CannotReplace:
            return
        before = {each for earlier in attempts for each in earlier.inputs}
        holds_up(selection, before | set(extra), paid_sat, next_rate, BUMPED)
        assert before <= set(selection.inputs)
        assert len(set(selection.inputs) - before) <= 1
        for earlier in attempts:
            assert selection.fee_sat >= earlier.fee_sat + selection.vsize
            assert selection.fee_sat * earlier.vsize > earlier.fee_sat * selection.vsize
        attempts.append(attempt(selection, *paid_sat))


def test_a_close_match_needs_no_change():
    fee_sat = vsize(2, 1, change=False) + 5
    available = coins(900_000, 30_000, 70_000, 55_000)
    selection = chosen(available, 100_000 - fee_sat)
    assert {each.amount_sat for each in selection.inputs} == {30_000, 70_000}
    assert (selection.change_sat, selection.fee_sat) == (None, fee_sat)


def test_takes_one_coin_before_many():
    selection = chosen(coins(20_000, 30_000, 500_000, 90_000), 60_000)
    assert [each.amount_sat for each in selection.inputs] == [90_000]
    assert selection.change_sat == 90_000 - 60_000 - vsize(1, 1, change=True)


def test_takes_the_largest_coins_when_no_single_one_suffices():
    selection = chosen(coins(20_000, 80_000, 90_000, 10_000), 120_000)
    assert {each.amount_sat for each in selection.inputs} == {80_000, 90_000}


def test_change_that_would_be_dust_becomes_fee():
    bare, changed = vsize(1, 1, change=False), vsize(1, 1, change=True)
    selection = chosen(coins(60_000 + changed + DUST_SAT - 1), 60_000)
    assert (selection.change_sat, selection.fee_sat) == (None, changed + DUST_SAT - 1)
    assert selection.vsize == bare
    assert chosen(coins(60_000 + changed + DUST_SAT), 60_000).change_sat == DUST_SAT


def test_change_not_worth_its_own_spending_becomes_fee_unless_a_cap_forbids_it():
    rate, upkeep_sat = 10_000, 10 * INPUT_VSIZE
    fee_sat = 10 * vsize(1, 1, change=True)
    short, enough = (coins(600_000 + fee_sat + upkeep_sat + more) for more in (0, 1))
    assert chosen(short, 600_000, rate=rate).change_sat is None
    assert chosen(enough, 600_000, rate=rate).change_sat == upkeep_sat + 1
    assert chosen(short, 600_000, rate=rate, ceiling_sat=fee_sat).change_sat == upkeep_sat


def test_change_that_a_quiet_day_can_spend_is_kept_on_a_busy_one():
    rate = 100_000
    kept_sat = 10 * INPUT_VSIZE + 1
    selection = chosen(coins(600_000 + 100 * vsize(1, 1, change=True) + kept_sat), 600_000, rate=rate)
    assert selection.change_sat == kept_sat


def test_adds_a_coin_when_dust_left_over_would_break_the_cap():
    changed = vsize(1, 1, change=True)
    available = coins(60_000 + changed + DUST_SAT - 1, 50_000)
    ceiling_sat = vsize(2, 1, change=True)
    selection = chosen(available, 60_000, ceiling_sat=ceiling_sat)
    assert (len(selection.inputs), selection.fee_sat) == (2, ceiling_sat)


def test_never_spends_an_unconfirmed_coin():
    with pytest.raises(NothingFree):
        chosen([coin(1, 10**9, confirmed=False)], 10_000)


def test_a_coin_listed_twice_counts_once():
    with pytest.raises(NothingFree):
        chosen([coin(1, 50_000), coin(1, 50_000)], 60_000)


def test_required_coins_come_first_and_in_order():
    required = [coin(9, 5_000), coin(8, 6_000)]
    selection = chosen(coins(90_000), 60_000, required=required)
    assert selection.inputs == (*required, coin(0, 90_000))
    assert chosen([*coins(90_000), *required], 9_000, required=[*required, required[0]]).inputs == tuple(required)


def test_p021_a_coin_worth_no_more_than_its_own_input_is_never_selected():
    dust = [coin(number, 546) for number in range(1000)]
    rate = 5_200
    assert rate * INPUT_VSIZE // 1000 == 546
    with pytest.raises(NothingFree) as refused:
        chosen(dust, 1_000, rate=rate)
    assert refused.value.facts["coins"] == 0
    selection = chosen([*dust, coin(2_000, 100_000)], 50_000, rate=rate, caps=HOUSE)
    assert selection.inputs == (coin(2_000, 100_000),)


def test_p021_a_thousand_dust_coins_never_make_a_fee_above_its_cap():
    dust = [coin(number, 546) for number in range(1000)]
    with pytest.raises(FeeOverCap):
        chosen(dust, 20_000, rate=3_000, caps=HOUSE)
    with pytest.raises(NothingFree):
        chosen(dust, MAX_INPUTS * 546, rate=1_000, caps=HOUSE)


def test_tells_too_little_money_from_too_high_a_fee():
    with pytest.raises(NothingFree) as poor:
        chosen(coins(50_000), 60_000)
    assert (poor.value.facts["available_sat"], poor.value.facts["needed_sat"]) == (
        50_000,
        60_000 + vsize(1, 1, change=False),
    )
    with pytest.raises(FeeOverCap) as dear:
        chosen(coins(90_000), 60_000, ceiling_sat=10)
    assert dear.value.facts["cap"] == "ceiling"


@pytest.mark.parametrize(
    ("cap", "caps"),
    [
        ("absolute", replace(WIDE, absolute_sat=2_000)),
        ("rate", replace(WIDE, rate_sat_kvb=19_000)),
        ("share", replace(WIDE, share_bps=10)),
    ],
)
def test_p076_a_fee_above_any_cap_is_refused_when_building(cap, caps):
    with pytest.raises(FeeOverCap) as refused:
        chosen(coins(10**6), 500_000, rate=20_000, caps=caps)
    assert refused.value.facts["cap"] == cap


def test_p076_what_passes_when_building_passes_when_signatures_come_out_short():
    caps = replace(WIDE, rate_sat_kvb=21_500)
    selection = chosen(coins(10**6), 500_000, rate=20_000, caps=caps)
    check_fee(fee_sat=selection.fee_sat, vsize=selection.vsize - 5, paid_sat=500_000, caps=caps, ceiling_sat=None)
    with pytest.raises(FeeOverCap):
        chosen(coins(10**6), 500_000, rate=20_000, caps=replace(caps, rate_sat_kvb=20_100))


def test_more_required_coins_than_a_transaction_carries_are_refused():
    required = [coin(number, 10_000) for number in range(MAX_INPUTS + 1)]
    assert len(chosen([], 50_000, required=required[:MAX_INPUTS]).inputs) == MAX_INPUTS
    with pytest.raises(NothingFree):
        chosen(coins(10**6), 50_000, required=required)


def test_a_large_pool_is_searched_in_bounded_time():
    generator = random.Random(7)
    pool = [coin(number, generator.randrange(2_000, 10**7)) for number in range(5_000)]
    selection = chosen(pool, 123_456_789, rate=7_000, caps=HOUSE)
    holds_up(selection, pool, [123_456_789], 7_000, HOUSE)


def test_other_scripts_and_quorums_are_sized_for_what_they_are():
    selection = select(
        coins=coins(10**6),
        payments=[(TAPROOT, 100_000), (PAYEE, 100_000)],
        fee_rate_sat_kvb=3_000,
        threshold=3,
        members=5,
        change_script=CHANGE,
        caps=WIDE,
    )
    size = estimate_vsize(inputs=1, threshold=3, members=5, output_scripts=[TAPROOT, PAYEE, CHANGE])
    assert (selection.vsize, selection.fee_sat) == (size, 3 * size)


@pytest.mark.parametrize(("paid_sat", "rate"), [([], 1_000), ([0], 1_000), ([-5], 1_000), ([5_000], 0), ([5_000], -1)])
def test_refuses_to_pay_nobody_nothing_or_at_no_rate(paid_sat, rate):
    with pytest.raises(ValueError, match=r"above 0|pays somebody"):
        chosen(coins(10**6), *paid_sat, rate=rate)


def first_attempt(*amounts_sat, paid_sat=50_000, **terms):
    return attempt(chosen(coins(*amounts_sat), paid_sat, **terms), paid_sat)


def test_a_bump_takes_the_higher_fee_from_the_change():
    selection = bumped([first_attempt(100_000)])
    size = vsize(1, 1, change=True)
    assert selection == replace(selection, change_sat=50_000 - 2 * size, fee_sat=2 * size, vsize=size)


def test_a_bump_asked_at_no_higher_rate_pays_the_least_that_replaces():
    first = first_attempt(100_000, rate=5_000)
    selection = bumped([first], rate=1_000)
    assert selection.fee_sat == first.fee_sat + selection.vsize


def test_change_is_judged_at_the_rate_a_bump_must_pay_not_the_one_asked():
    size = vsize(1, 1, change=True)
    coin_ = coin(1, 50_000 + 21 * size + 600)
    first = Attempt((coin_,), (Payment(PAYEE, 50_000),), 20 * size, size)
    assert bumped([first], rate=1_000).change_sat is None


def test_a_bump_pays_for_what_others_built_on_the_attempt():
    first = first_attempt(100_000)
    selection = bumped([first], descendant_fees_sat=5_000)
    assert selection.fee_sat == first.fee_sat + 5_000 + selection.vsize


def test_change_may_vanish_in_a_bump():
    changed = vsize(1, 1, change=True)
    first = first_attempt(50_000 + changed + 500)
    selection = bumped([first])
    assert selection.change_sat is None
    assert selection.fee_sat == changed + 500


def test_one_more_coin_brings_change_back():
    first = first_attempt(50_000 + vsize(1, 1, change=False) + 20)
    extra = [coin(7, 9_000), coin(8, 4_000), coin(9, 100_000, confirmed=False), coin(6, 150)]
    selection = bumped([first], extra)
    assert selection.inputs == (*first.inputs, coin(8, 4_000))
    assert selection.change_sat == total(selection.inputs) - 50_000 - 2 * vsize(2, 1, change=True)


def test_a_bump_without_money_left_is_refused():
    first = first_attempt(50_000 + vsize(1, 1, change=False) + 20)
    with pytest.raises(CannotReplace) as refused:
        bumped([first], [coin(9, 10**9, confirmed=False), *first.inputs])
    assert refused.value.facts["why"] == "insufficient coins"


def test_p076_a_bump_stays_under_the_same_ceiling():
    first = first_attempt(100_000)
    with pytest.raises(CannotReplace) as refused:
        bumped([first], rate=50_000, ceiling_sat=4_000)
    assert (refused.value.facts["why"], refused.value.facts["cap"]) == ("fee cap", "ceiling")


def test_a_bump_spends_what_every_attempt_spent():
    first = first_attempt(50_000 + vsize(1, 1, change=False) + 20)
    second = attempt(bumped([first], [coin(8, 4_000)]), 50_000)
    third = bumped([first, second], [coin(5, 90_000)], rate=10_000)
    assert third.inputs[:2] == second.inputs
    assert third.fee_sat > second.fee_sat


def test_attempts_that_pay_differently_or_share_nothing_are_not_bumped():
    first, other = first_attempt(100_000), first_attempt(100_000, paid_sat=50_001)
    with pytest.raises(CannotReplace, match="pay the same"):
        bumped([first, other])
    with pytest.raises(CannotReplace, match="share no input"):
        bumped([first, replace(first, inputs=(coin(5, 100_000),))])
    with pytest.raises(ValueError, match="replaces something"):
        bumped([])
