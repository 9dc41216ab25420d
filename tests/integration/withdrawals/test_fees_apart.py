"""Where the fee is not the vault's: held and paid is the amount alone, and so it is expected of the chain."""

from __future__ import annotations

from custody.reconciliation.invariants import check_invariants
from tests.support.road import Road, btc
from tests.support.roads import road
from tests.support.spending import CHAIN, FeesApart, spending_as

__all__ = ["road"]


def violated(road: Road) -> set[str]:
    with road.db.unit() as unit:
        report = check_invariants(unit.session, terms=road.runtime.terms)
    return {name for name, holds in report.results.items() if not holds}


def test_holds_and_charges_the_amount_alone(road: Road) -> None:
    """The fee does leave this vault, which has coins: that much is the difference reconciliation finds."""
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    with spending_as(FeesApart(CHAIN)):
        asked = road.ask("acme", btc("0.02"), max_fee=20_000)
        assert road.balance("acme") == (btc("0.48"), btc("0.02"))
        road.settle()
        road.mine(1)
        assert road.state(asked) == "confirmed"
        (attempt,) = road.attempts(asked)
        (snapshot,) = road.reconcile().snapshots
        (vault,) = snapshot.vaults
        assert [item.units for item in vault.in_flight] == [-btc("0.02")]
        assert vault.chain_units - vault.expected_units == -attempt.fee_units
        assert violated(road) == {"I4"}

        road.mine(1)
        done = road.see(asked)
        assert (done.state, done.fee_units) == ("completed", 0)
        assert road.balance("acme") == (btc("0.48"), 0)
        assert violated(road) == {"I4"}
    assert "I10" in violated(road)
