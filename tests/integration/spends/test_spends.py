"""What a spend is bound to: the composed transaction, the caps, and the depth its amount needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from custody.chains.bitcoin.terms import BitcoinTerms
from custody.chains.spending import FeeOverCap, SpendRules
from custody.spends import operations as spends
from custody.spends.operations import FinalTransactionWrong
from custody.withdrawals.model import Withdrawal
from tests.support.oracle import plays
from tests.support.road import Road, btc
from tests.support.roads import road

__all__ = ["road"]


@pytest.fixture
def signed(road: Road) -> Withdrawal:
    """A withdrawal whose final transaction exists and was not taken over yet."""
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    asked = road.ask("acme", btc("0.02"))
    road.settle(cosigners=())
    road.cosign("north", "south")
    return asked


def take_over(road: Road, asked: Withdrawal, **changes: Any) -> str:
    """Hand the final transaction to the spend, with some of it changed."""
    (attempt,) = road.attempts(asked)
    ((final, spend),) = road.rows("SELECT final, txid FROM bundles")
    given: dict[str, Any] = {
        "attempt": attempt.id,
        "final": bytes(final),
        "spend": spend,
        "paid_units": asked.units,
        "ceiling_units": asked.max_fee_units,
        "rules": road.runtime.only.spend_rules,
        **changes,
    }
    with road.db.unit() as unit:
        return spends.finalised(unit.session, now=unit.now, **given).state


def capped(rules: SpendRules, **caps: int) -> SpendRules:
    """The same rules with some caps set anew."""
    assert isinstance(rules.terms, BitcoinTerms)
    return replace(rules, terms=replace(rules.terms, caps=replace(rules.terms.caps, **caps)))


def test_takes_over_what_was_composed_once(road: Road, signed: Withdrawal) -> None:
    assert take_over(road, signed) == "signed"
    assert take_over(road, signed) == "signed"
    (attempt,) = road.attempts(signed)
    assert road.events(attempt.id) == ["attempt.composed", "attempt.signed"]
    road.settle()
    road.mine(2)
    assert road.state(signed) == "completed"
    road.check()


def test_refuses_another_final_transaction(road: Road, signed: Withdrawal) -> None:
    with pytest.raises(FinalTransactionWrong):
        take_over(road, signed, spend="00" * 32)
    assert road.attempts(signed)[0].state == "composed"


@plays("P-076")
def test_p076_checks_every_cap_again_on_the_final_transaction(road: Road, signed: Withdrawal) -> None:
    rules = road.runtime.only.spend_rules
    fee = road.attempts(signed)[0].fee_units
    tighter: list[dict[str, Any]] = [
        {"rules": capped(rules, absolute_sat=fee - 1)},
        {"rules": capped(rules, rate_sat_kvb=1_000)},
        {"paid_units": fee},
        {"ceiling_units": fee - 1},
    ]
    for change in tighter:
        with pytest.raises(FeeOverCap):
            take_over(road, signed, **change)
    assert road.attempts(signed)[0].final is None
    road.settle()
    road.mine(2)
    assert road.state(signed) == "completed"
    road.check()


@pytest.mark.parametrize(("amount", "depth"), [("0.09999999", 2), ("0.1", 3), ("9.99999999", 3), ("10", 6)])
def test_needs_the_depth_of_its_amount(road: Road, amount: str, depth: int) -> None:
    assert road.runtime.only.spend_rules.required_depth(btc(amount)) == depth
