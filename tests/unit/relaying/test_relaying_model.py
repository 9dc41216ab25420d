"""Bids, shares, groups and states: pure decisions of relaying."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.chains.carrying import Bid, Draft, Market, Prospect, Readiness
from custody.chains.ethereum.terms import EthereumTerms
from custody.chains.spending import FeeOverCap
from custody.relaying.model import Load, PayerRules, first_bid, groups, raised_bid, shares, within_caps
from custody.relaying.states import (
    CARRIAGE_TRANSITIONS,
    LOAD_TRANSITIONS,
    CarriageEvent,
    CarriageState,
    ForbiddenMove,
    LoadEvent,
    LoadState,
    advance,
    advance_load,
)

RULES = PayerRules(rate_cap=1_000, tip_cap=100, low_units=1, required_depth=1)
TERMS = EthereumTerms(absolute_wei=100_000, rate_wei_gas=1_000, share_bps=1)
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
DRAFT = Draft("to", b"", 100, {"a": 1})


def test_bids_twice_the_base_and_the_tip_under_its_cap() -> None:
    assert first_bid(Market(100, 7), RULES) == Bid(207, 7)
    assert first_bid(Market(100, 700), RULES) == Bid(300, 100)
    assert first_bid(Market(600, 10), RULES) == Bid(1_000, 10)


def test_does_not_bid_where_the_market_is_above_the_cap() -> None:
    assert first_bid(Market(990, 10), RULES).rate == 1_000
    with pytest.raises(FeeOverCap):
        first_bid(Market(991, 10), RULES)


@given(
    earlier=st.lists(
        st.integers(0, 400).flatmap(lambda tip: st.builds(Bid, st.integers(tip, 900), st.just(tip))), min_size=1
    ),
    base=st.integers(0, 300),
    tip=st.integers(0, 200),
)
def test_a_replacement_bids_a_tenth_more_on_both_and_no_less_than_the_market(
    earlier: list[Bid], base: int, tip: int
) -> None:
    market = Market(base, tip)
    try:
        found = raised_bid(earlier, market, RULES)
    except FeeOverCap:
        return
    assert all(found.rate * 10 >= bid.rate * 11 and found.tip * 10 >= bid.tip * 11 for bid in earlier)
    assert found.rate >= first_bid(market, RULES).rate
    assert found.tip <= found.rate <= RULES.rate_cap


def test_a_replacement_beyond_the_cap_is_none() -> None:
    with pytest.raises(FeeOverCap):
        raised_bid([Bid(910, 1)], Market(1, 1), RULES)


def test_a_whole_fee_is_under_every_cap_or_there_is_none() -> None:
    assert within_caps(Bid(1_000, 10), DRAFT, TERMS, least=500) == Bid(1_000, 10)
    tight = EthereumTerms(absolute_wei=60_000, rate_wei_gas=1_000, share_bps=1)
    assert within_caps(Bid(1_000, 10), DRAFT, tight, least=500) == Bid(500, 10)
    with pytest.raises(FeeOverCap):
        within_caps(Bid(1_000, 10), DRAFT, tight, least=601)


@given(fee=st.integers(0, 10**20), weights=st.dictionaries(st.text(min_size=1), st.integers(1, 10**7), min_size=1))
def test_a_fee_is_shared_to_the_unit_and_by_weight(fee: int, weights: dict[str, int]) -> None:
    found, total = shares(fee, weights), sum(weights.values())
    assert sum(found.values()) == fee
    assert all(abs(found[name] * total - fee * weight) < total for name, weight in weights.items())


def test_a_fee_for_nothing_is_shared_by_nobody() -> None:
    assert shares(100, {}) == {}


def _ready(name: str, weight: int = 10, readiness: Readiness = Readiness.READY) -> tuple[Load, Prospect]:
    load = Load("c", name, f"{name}#0", b"", None, 0, LoadState.WAITING, None, 0, None, WHEN)
    return load, Prospect(name, readiness, weight)


def _names(found: list[list[Any]]) -> list[list[str]]:
    return [[load.spend for load, _ in group] for group in found]


def test_what_needs_its_place_made_goes_alone_and_the_rest_together() -> None:
    asked = [_ready("a"), _ready("b", readiness=Readiness.FIRST), _ready("c")]
    assert _names(groups(asked, RULES)) == [["b"], ["a", "c"]]


def test_no_more_together_than_may_be_or_weigh() -> None:
    asked = [_ready(str(number)) for number in range(5)]
    few = PayerRules(rate_cap=1, tip_cap=1, low_units=1, required_depth=1, most_together=2)
    assert _names(groups(asked, few)) == [["0", "1"], ["2", "3"], ["4"]]
    light = PayerRules(rate_cap=1, tip_cap=1, low_units=1, required_depth=1, weight_cap=25)
    assert _names(groups(asked, light)) == [["0", "1"], ["2", "3"], ["4"]]


@pytest.mark.parametrize("state", CarriageState)
@pytest.mark.parametrize("event", CarriageEvent)
def test_every_move_of_a_carriage(state: CarriageState, event: CarriageEvent) -> None:
    following = CARRIAGE_TRANSITIONS.get((state, event))
    if following is None:
        with pytest.raises(ForbiddenMove):
            advance(state, event)
    else:
        assert advance(state, event) is following


@pytest.mark.parametrize("state", LoadState)
@pytest.mark.parametrize("event", LoadEvent)
def test_every_move_of_a_load(state: LoadState, event: LoadEvent) -> None:
    following = LOAD_TRANSITIONS.get((state, event))
    if following is None:
        with pytest.raises(ForbiddenMove):
            advance_load(state, event)
    else:
        assert advance_load(state, event) is following
