"""What every chain's spends have in common: claims, inputs as they are stored, and who bears a fee."""

from __future__ import annotations

import pytest

from custody.chains import registry
from custody.chains.bitcoin.spending import BitcoinSpending
from custody.chains.spending import Coin, Order, Plan, Turn, leaving, read_input
from custody.kernel.errors import InvalidInput
from tests.support.spending import CHAIN, FeesApart

ORDER = Order("wdr_1", "kst/1", CHAIN, f"{CHAIN}/slip44:0", b"somebody", 1_000, 50)
COIN = Coin("ab" * 32, 3, 700, change=True, index=5, block_hash="cd" * 32)
TURN = Turn("0xSafe", 7, client="acme", index=0)


@pytest.mark.parametrize("given", [COIN, TURN, Turn("0xSafe", 0, client=None, index=2)], ids=lambda item: item.claim)
def test_reads_an_input_as_it_was_stored(given: Coin | Turn) -> None:
    stored = given.to_json()
    assert read_input(stored) == given
    assert stored["claim"] == given.claim


def test_names_a_coin_and_a_turn_by_what_they_use_up() -> None:
    plan = Plan(ORDER, (COIN, TURN), None, 100)
    assert plan.claims == (f"{'ab' * 32}:3", "0xSafe#7")
    assert not plan.brings_change
    assert Plan(ORDER, (COIN,), 1, 100).brings_change


@pytest.mark.parametrize(("spending", "units"), [(BitcoinSpending(CHAIN), 1_050), (FeesApart(CHAIN), 1_000)])
def test_takes_a_fee_out_of_the_vault_only_where_the_vault_bears_it(spending: BitcoinSpending, units: int) -> None:
    assert leaving(spending, units=1_000, fee_units=50) == units


def test_serves_each_chain_by_its_id() -> None:
    for chain in (CHAIN, "eip155:1", "eip155:31337"):
        assert registry.spending(chain).chain == chain
    with pytest.raises(InvalidInput, match="no adapter serves this chain"):
        registry.spending("eip155:424242")
