"""A reorganisation takes a payment out of the chain: the money is held again first, then it is sent again, once."""

from __future__ import annotations

import pytest

from custody.withdrawals import operations as withdrawals
from custody.withdrawals.model import Withdrawal
from tests.support.road import Road, btc

HELD = btc("0.02") + 100_000


@pytest.fixture
def sent(road: Road) -> Withdrawal:
    """A payment of 0.02 of acme's 0.5 that was broadcast."""
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    asked = road.ask("acme", btc("0.02"), max_fee=100_000)
    road.settle()
    return asked


def test_sends_a_confirmed_payment_again(road: Road, sent: Withdrawal) -> None:
    road.mine(1)
    assert road.state(sent) == "confirmed"
    road.node.reorg(1)
    road.settle()
    assert road.state(sent) == "broadcast"
    assert road.balance("acme")[1] == HELD
    road.mine(2)
    assert road.state(sent) == "completed"
    road.check()


def test_holds_the_money_of_a_completed_payment_again_and_settles_once(road: Road, sent: Withdrawal) -> None:
    road.mine(2)
    fee = road.see(sent).fee_units
    assert fee is not None
    assert road.balance("acme") == (btc("0.48") - fee, 0)
    road.node.reorg(2)
    road.settle()
    assert road.state(sent) == "broadcast"
    paid = btc("0.02") + fee
    assert road.balance("acme") == (btc("0.5") - paid, paid)
    assert road.reserved() == 1
    road.mine(2)
    assert road.state(sent) == "completed"
    assert road.balance("acme") == (btc("0.48") - fee, 0)
    assert road.reserved() == 0
    assert [step.event for step in road.steps(sent)][-5:] == [
        *("confirm", "complete", "reorganise", "confirm", "complete")
    ]
    road.check()


def test_takes_a_dearer_replacement_after_the_reorg_from_what_is_available(road: Road, sent: Withdrawal) -> None:
    road.mine(2)
    first = road.see(sent).fee_units
    road.node.reorg(2)
    road.settle()
    road.bump(sent.id, 100)
    road.settle()
    road.mine(2)
    done = road.see(sent)
    assert done.state == "completed"
    assert done.fee_units is not None and first is not None and done.fee_units > first
    assert road.balance("acme") == (btc("0.48") - done.fee_units, 0)
    road.check()


def test_survives_being_reorganised_twice(road: Road, sent: Withdrawal) -> None:
    for _ in range(2):
        road.mine(2)
        assert road.state(sent) == "completed"
        road.node.reorg(2)
        road.settle()
        assert road.state(sent) == "broadcast"
    road.mine(2)
    assert road.state(sent) == "completed"
    road.check()


def test_is_paid_by_the_other_variant_when_the_reorganised_chain_holds_that_one(road: Road, sent: Withdrawal) -> None:
    road.bump(sent.id, 20)
    road.settle()
    first, second = road.attempts(sent)
    road.mine(2)
    assert road.see(sent).txid == second.spend
    assert first.final is not None
    road.node.reorg(2, transactions=[first.final.hex()])
    road.settle()
    done = road.see(sent)
    assert (done.state, done.txid, done.fee_units) == ("completed", first.spend, first.fee_units)
    assert road.balance("acme") == (btc("0.48") - first.fee_units, 0)
    road.check()


def test_is_sent_again_by_us_when_the_node_forgot_it(road: Road, sent: Withdrawal) -> None:
    from workers.tasks.withdrawals import rebroadcast  # noqa: F401 - the scheduled task of the same rule

    road.mine(2)
    attempt = road.attempts(sent)[-1]
    road.node.reorg(2)
    with road.db.unit() as unit:
        assert withdrawals.sent_attempts(unit.session, chain=road.runtime.only.chain) == []
    road.settle()
    with road.db.unit() as unit:
        waiting = withdrawals.sent_attempts(unit.session, chain=road.runtime.only.chain)
        withdrawals.request_rebroadcast(unit.session, attempts=waiting, now=unit.now)
    assert [item.id for item in waiting] == [attempt.id]
    road.settle()
    assert road.events(attempt.id).count("attempt.sent") == 3
    road.mine(2)
    assert road.state(sent) == "completed"
    road.check()
