"""Emptying a vault: what leaves together leaves nothing behind, and no more is asked for than may leave."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.chains.bitcoin.coin_selection import Coin, Payment, select
from custody.chains.bitcoin.emptying import emptied
from custody.chains.bitcoin.offline.fees import FeeCaps
from custody.chains.bitcoin.spend_plan import total_sat
from custody.chains.spending import Shares

SCRIPT = bytes.fromhex("0020" + "cc" * 32)
DUST_SAT = 330
WIDE = FeeCaps(absolute_sat=10**12, rate_sat_kvb=10**9, share_bps=10**9)
ALL = 10**16


def coins(amounts_sat: list[int]) -> list[Coin]:
    return [Coin(f"{number:064x}", number % 3, amount_sat) for number, amount_sat in enumerate(amounts_sat)]


def shared(
    found: list[Coin], *, most_sat: int = ALL, most_inputs: int = 50, rate: int = 5_000, caps: FeeCaps = WIDE
) -> Shares:
    return emptied(
        found,
        most_sat=most_sat,
        most_inputs=most_inputs,
        rate_sat_kvb=rate,
        threshold=2,
        members=3,
        script=SCRIPT,
        caps=caps,
    )


AMOUNTS = st.lists(st.integers(300, 3_000_000), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(amounts=AMOUNTS, rate=st.integers(1_000, 50_000), most_inputs=st.integers(1, 5), later=st.integers(10, 100))
def test_paying_what_is_planned_leaves_no_coin_worth_spending(
    amounts: list[int], rate: int, most_inputs: int, later: int
) -> None:
    """Composed one after another, at the planned rate or a lower one: nothing comes back."""
    left = coins(amounts)
    found = shared(left, rate=rate, most_inputs=most_inputs)
    for share in found.shares:
        selection = select(
            coins=[coin for coin in left if f"{coin.txid}:{coin.vout}" in share.takes],
            payments=[Payment(SCRIPT, share.units)],
            fee_rate_sat_kvb=max(rate * later // 100, 1),
            threshold=2,
            members=3,
            change_script=SCRIPT,
            caps=WIDE,
            ceiling_sat=share.fee_units,
            is_bare=True,
        )
        assert selection.change_sat is None
        assert len(selection.inputs) <= len(share.takes) <= most_inputs
        assert selection.fee_sat <= share.fee_units
        left = [coin for coin in left if coin not in selection.inputs]
        if later == 100:
            assert selection.fee_sat == share.fee_units
    moved = sum(share.units + share.fee_units for share in found.shares)
    assert moved + found.left_units == sum(amounts)


@settings(max_examples=200, deadline=None)
@given(amounts=AMOUNTS, most_sat=st.integers(1, 4_000_000), most_inputs=st.integers(1, 4))
def test_asks_for_no_more_than_may_leave(amounts: list[int], most_sat: int, most_inputs: int) -> None:
    found = shared(coins(amounts), most_sat=most_sat, most_inputs=most_inputs)
    assert sum(share.units + share.fee_units for share in found.shares) <= most_sat
    assert found.left_units >= 0
    names = [name for share in found.shares for name in share.takes]
    assert len(names) == len(set(names)), "no coin twice"
    assert all(share.units >= DUST_SAT for share in found.shares)


def test_takes_no_coin_beyond_what_may_leave() -> None:
    found = shared(coins([100_000, 90_000, 80_000]), most_sat=100_000)
    assert [len(share.takes) for share in found.shares] == [1], "the rest is another client's of the pool"


@pytest.mark.parametrize(
    ("caps", "amount"),
    [(replace(WIDE, share_bps=100), 20_000), (replace(WIDE, absolute_sat=500), 10**8), (WIDE, 400)],
)
def test_leaves_what_is_not_worth_its_fee_or_passes_a_cap(caps: FeeCaps, amount: int) -> None:
    found = shared(coins([amount]), caps=caps)
    assert (found.shares, found.left_units) == ((), amount)


def test_without_being_told_small_change_comes_back() -> None:
    """What ``is_bare`` is for: at a lower rate than planned, change would be made and stay in the older vault."""
    (one,) = coins([1_000_000])
    (share,) = shared([one], rate=50_000).shares
    terms = {"fee_rate_sat_kvb": 1_000, "threshold": 2, "members": 3, "change_script": SCRIPT, "caps": WIDE}
    payments = [Payment(SCRIPT, share.units)]
    given_back = select(coins=[one], payments=payments, ceiling_sat=share.fee_units, **terms)  # type: ignore[arg-type]
    assert given_back.change_sat is not None
    bare = select(coins=[one], payments=payments, ceiling_sat=share.fee_units, is_bare=True, **terms)  # type: ignore[arg-type]
    assert (bare.change_sat, bare.fee_sat) == (None, total_sat([one]) - share.units)
