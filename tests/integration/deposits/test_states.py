"""Every state meets every event."""

from __future__ import annotations

import pytest

from custody.deposits.model import AssetRules, Tier
from custody.deposits.states import BOOKED, FIRST, TRANSITIONS, DepositEvent, DepositState, ForbiddenMove, advance


@pytest.mark.parametrize("state", DepositState)
@pytest.mark.parametrize("event", DepositEvent)
def test_moves_as_the_table_says_and_no_other_way(state: DepositState, event: DepositEvent) -> None:
    if (state, event) in TRANSITIONS:
        assert advance(state, event) is TRANSITIONS[(state, event)]
        return
    with pytest.raises(ForbiddenMove):
        advance(state, event)


def test_leaves_the_books_only_by_removal() -> None:
    for state, event in TRANSITIONS:
        assert (event is DepositEvent.REMOVED) or state not in BOOKED


def test_reaches_the_books_only_from_a_block() -> None:
    assert {state for (state, _), after in TRANSITIONS.items() if after in BOOKED} == {DepositState.CONFIRMING}
    assert not BOOKED & set(FIRST.values())


def test_waits_by_amount_and_for_a_coinbase_to_mature() -> None:
    rules = AssetRules((Tier(10, 1), Tier(100, 3), Tier(None, 6)), dust_units=2, coinbase_maturity=100)
    assert [rules.required_depth(units=units, coinbase=False) for units in (9, 10, 99, 100)] == [1, 3, 3, 6]
    assert rules.required_depth(units=9, coinbase=True) == 100


@pytest.mark.parametrize(
    "tiers",
    [(), (Tier(10, 1),), (Tier(None, 1), Tier(None, 2)), (Tier(9, 1), Tier(9, 2), Tier(None, 3)), (Tier(None, 0),)],
)
def test_refuses_tiers_that_leave_a_gap(tiers: tuple[Tier, ...]) -> None:
    with pytest.raises(ValueError):
        AssetRules(tiers, dust_units=1, coinbase_maturity=100)
