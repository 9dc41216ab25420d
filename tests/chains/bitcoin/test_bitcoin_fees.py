"""The ceiling on a fee (I16)."""

from __future__ import annotations

import pytest

from custody.chains.bitcoin.offline.fees import FeeCaps, FeeOverCap, check_fee
from custody.kernel.errors import Refused

CAPS = FeeCaps(absolute_sat=50_000, rate_sat_kvb=100_000, share_bps=100)


def check(fee_sat, *, vsize=200, paid_sat=10_000_000, caps=CAPS, ceiling_sat=None):
    check_fee(fee_sat=fee_sat, vsize=vsize, paid_sat=paid_sat, caps=caps, ceiling_sat=ceiling_sat)


@pytest.mark.parametrize(
    ("cap", "limit_sat", "terms"),
    [
        ("absolute", 50_000, {"vsize": 10_000, "paid_sat": 10**9}),
        ("rate", 20_000, {}),
        ("rate", 20_100, {"vsize": 201}),
        ("share", 12_345, {"paid_sat": 1_234_567}),
        ("ceiling", 700, {"ceiling_sat": 700}),
        ("ceiling", 0, {"ceiling_sat": 0}),
        ("share", 0, {"paid_sat": 99}),
    ],
)
def test_p076_each_cap_lets_its_limit_pass_and_not_a_satoshi_more(cap, limit_sat, terms):
    check(limit_sat, **terms)
    with pytest.raises(FeeOverCap) as refused:
        check(limit_sat + 1, **terms)
    assert refused.value.facts == {"cap": cap, "limit_sat": limit_sat, "fee_sat": limit_sat + 1}
    assert isinstance(refused.value, Refused)


def test_p076_a_ceiling_above_the_house_caps_lifts_none_of_them():
    with pytest.raises(FeeOverCap):
        check(20_001, ceiling_sat=10**9)


def test_a_rate_between_two_satoshis_is_not_rounded_up():
    caps = FeeCaps(absolute_sat=10**9, rate_sat_kvb=1_999, share_bps=10_000)
    check(199, vsize=100, caps=caps)
    with pytest.raises(FeeOverCap):
        check(200, vsize=100, caps=caps)


def test_refuses_more_out_than_in():
    with pytest.raises(FeeOverCap):
        check(-1)
