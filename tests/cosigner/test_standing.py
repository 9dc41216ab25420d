"""The keyset's own consistency, and the small pure parts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.cosigner.craft import KeysetContradicts
from custody.cosigner.crafts.bitcoin import account_keys
from custody.cosigner.fee_shares import fee_shares
from custody.cosigner.limits import Limits, parse_settings
from custody.kernel.errors import InvalidInput
from tests.cosigner.builders import REGTEST, World


def test_refuses_a_keyset_of_another_chain(world: World) -> None:
    other = replace(world.keyset, chain="bip122:000000000019d6689c085ae165831e93")
    with pytest.raises(KeysetContradicts):
        account_keys(other, REGTEST)


def test_p077_refuses_a_public_key_that_is_not_in_the_xpub(world: World) -> None:
    first, second, third = world.keyset.cosigners
    swapped = (replace(first, public_key=second.public_key), replace(second, public_key=first.public_key), third)
    with pytest.raises(KeysetContradicts, match="xpub"):
        account_keys(replace(world.keyset, cosigners=swapped), REGTEST)


@given(
    fee_sat=st.integers(0, 10**9),
    rest=st.integers(1, 100_000),
    lengths=st.lists(st.integers(22, 34), min_size=1, max_size=20),
)
def test_shares_of_a_fee_add_up_to_it(fee_sat: int, rest: int, lengths: list[int]) -> None:
    scripts = [bytes(length) for length in lengths]
    shares = fee_shares(fee_sat=fee_sat, vsize=rest + sum(9 + length for length in lengths), output_scripts=scripts)
    assert sum(shares) == fee_sat
    assert all(share >= 0 for share in shares)
    assert max(shares, default=0) - min(shares, default=0) <= fee_sat * 12 // (rest + 1) + 1


def test_shares_of_a_fee_go_by_virtual_bytes() -> None:
    # 200 vB: outputs of 31 and 43 bytes, 126 shared, so weights 188 and 212 of 400.
    assert fee_shares(fee_sat=1_000, vsize=200, output_scripts=[bytes(22), bytes(34)]) == (470, 530)
    assert fee_shares(fee_sat=1_001, vsize=200, output_scripts=[bytes(22), bytes(34)]) == (470, 531)
    assert fee_shares(fee_sat=3, vsize=100, output_scripts=[bytes(22), bytes(22)]) == (2, 1)


def test_limits_survive_being_written_and_read() -> None:
    limits = Limits(per_tx_sat=5, max_fee_share_bps=7)
    assert Limits.from_json(limits.to_json()) == limits


@pytest.mark.parametrize(
    "value", [None, [], {"per_tx_sat": "many"}, {"unknown": 1}, {"max_fee_sat": None}, {"per_tx_sat": -1}]
)
def test_limits_refuse_a_damaged_file(value: object) -> None:
    with pytest.raises(InvalidInput, match="limits"):
        Limits.from_json(value)


def test_settings_name_each_limit_once() -> None:
    assert parse_settings("per_tx_sat=1,per_day_sat=none") == {"per_tx_sat": "1", "per_day_sat": "none"}
    with pytest.raises(InvalidInput):
        parse_settings("per_tx_sat=1,per_tx_sat=2")
