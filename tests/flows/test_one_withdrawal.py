"""One client's money comes in at its own address, waits for people, leaves once, and the books agree."""

from __future__ import annotations

from tests.support.road import Road, btc


def test_pays_one_withdrawal_and_reconciles_to_zero(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    assert road.balance("acme") == (btc("0.5"), 0)

    asked = road.ask("acme", btc("0.02"), max_fee=20_000)
    assert asked.state == "approved"
    assert road.balance("acme") == (btc("0.48") - 20_000, btc("0.02") + 20_000)
    road.settle()
    assert road.state(asked) == "broadcast"
    road.mine(1)
    assert road.state(asked) == "confirmed"
    assert road.balance("acme")[1] == btc("0.02") + 20_000
    road.mine(1)

    done = road.see(asked)
    assert done.state == "completed"
    assert done.fee_units is not None and 0 < done.fee_units <= 20_000
    assert road.balance("acme") == (btc("0.48") - done.fee_units, 0)
    assert road.paid(asked.destination) == [btc("0.02")]
    assert road.reserved() == 0
    assert [step.to_state for step in road.steps(asked)] == [
        *("approved", "awaiting_signatures", "signed", "broadcast", "confirmed", "completed")
    ]
    road.check()


def test_pays_after_two_operators_agreed(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    asked = road.ask("acme", btc("0.1"))
    road.settle()
    assert road.state(asked) == "pending_approval"
    road.approve(asked.digest, "alice")
    road.settle()
    assert road.state(asked) == "pending_approval"
    road.approve(asked.digest, "carol")
    road.settle()
    assert road.state(asked) == "broadcast"
    road.mine(3)
    assert road.state(asked) == "completed"
    road.check()
