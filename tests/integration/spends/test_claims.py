"""Claims: one withdrawal alone has one, coins or not, and any two attempts of a withdrawal share one (I6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text

from custody.chains.spending import Plan, Turn
from custody.reconciliation.invariants.payments import one_payment_each, payments_stay_in_their_vault
from custody.spends.operations import ClaimTaken
from custody.trust.operations import in_force
from custody.withdrawals import operations as withdrawals
from custody.withdrawals.model import Withdrawal
from tests.support.road import Road, btc
from tests.support.roads import road
from tests.support.spending import CHAIN, ByTurns, spending_as

__all__ = ["road"]

FIRST = Turn("0xSafe", 7, client="acme", index=0)


@pytest.fixture
def rivals(road: Road) -> Iterator[list[Withdrawal]]:
    """Two approved withdrawals of one client, on a chain whose vaults are accounts."""
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    with spending_as(ByTurns(CHAIN)):
        yield [road.ask("acme", btc("0.01")), road.ask("acme", btc("0.02"))]


def compose(road: Road, asked: Withdrawal, *turns: Turn) -> None:
    order = asked.order(ceiling_units=asked.max_fee_units)
    with road.db.unit() as unit:
        withdrawals.compose(
            unit.session,
            planned=Plan(order, turns, None, 100),
            trust=in_force(unit.session),
            rules=road.runtime.only.spend_rules,
            seal_key=road.runtime.seal_key,
            now=unit.now,
        )


def faults(road: Road) -> list[str]:
    with road.db.unit() as unit:
        return [*one_payment_each(unit.session), *payments_stay_in_their_vault(unit.session)]


def test_p081_lets_one_withdrawal_have_a_turn(road: Road, rivals: list[Withdrawal]) -> None:
    compose(road, rivals[0], FIRST)
    with pytest.raises(ClaimTaken):
        compose(road, rivals[1], FIRST)
    assert road.rows("SELECT chain, claim, withdrawal_id FROM reservations") == [(CHAIN, "0xSafe#7", rivals[0].id)]
    (attempt,) = road.attempts(rivals[0])
    assert (attempt.claims, attempt.coins, attempt.spend) == (("0xSafe#7",), (), f"spend {rivals[0].id}/100")
    compose(road, rivals[1], replace(FIRST, number=8))
    assert [road.state(item) for item in rivals] == ["awaiting_signatures"] * 2
    assert faults(road) == []


def test_frees_a_turn_with_its_spend(road: Road, rivals: list[Withdrawal]) -> None:
    compose(road, rivals[0], FIRST)
    road.cancel(rivals[0].id)
    assert road.reserved() == 0
    compose(road, rivals[1], FIRST)
    assert road.reserved() == 1


@pytest.mark.parametrize(("claim", "shared"), [("0xSafe#7", True), ("0xSafe#8", False), ("0xSafe#70", False)])
def test_i6_any_two_attempts_share_a_claim(road: Road, rivals: list[Withdrawal], claim: str, shared: bool) -> None:
    compose(road, rivals[0], FIRST)
    with road.db.unit() as unit:
        unit.session.execute(SECOND, {"claim": claim})
    assert len(road.attempts(rivals[0])) == 2
    assert [fault.rpartition(" of ")[2] for fault in faults(road)] == (
        [] if shared else ["one withdrawal share no claim"]
    )


SECOND = text(
    """
    INSERT INTO attempts (id, withdrawal_id, sequence, chain, vault_id, inputs, unsigned, txid, fee_units, weight,
      state, composed_at)
    SELECT 'att_second', withdrawal_id, 2, chain, vault_id,
      jsonb_set(inputs, '{0,claim}', to_jsonb(CAST(:claim AS text))), 'unsigned', 'spend', 0, 100,
      'composed', composed_at
    FROM attempts
    """
)
