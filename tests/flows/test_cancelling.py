"""Ending a withdrawal unpaid: only while no cosigner can have signed, and then its money is free at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from custody.approvals.operations import NotWaiting
from custody.kernel.errors import CustodyError
from custody.withdrawals import operations as withdrawals
from custody.withdrawals.model import Withdrawal
from custody.withdrawals.operations import MayBeSigned
from custody.withdrawals.states import NotPossible
from tests.support.road import Road, btc, no

HELD = btc("0.02") + 20_000


@pytest.fixture
def asked(road: Road) -> Withdrawal:
    """An approved withdrawal of 0.02 of acme's 0.5, nothing composed yet."""
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    return road.ask("acme", btc("0.02"))


def expect_free(road: Road) -> None:
    assert road.balance("acme") == (btc("0.5"), 0)
    assert road.reserved() == 0
    road.settle()
    road.check()


def test_frees_the_money_of_one_that_waits_for_people(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    large = road.ask("acme", btc("0.2"))
    assert road.cancel(large.id).state == "cancelled"
    with pytest.raises(NotWaiting):
        road.approve(large.digest, "alice")
    expect_free(road)


def test_frees_the_money_of_an_approved_one(road: Road, asked: Withdrawal) -> None:
    assert road.cancel(asked.id).state == "cancelled"
    assert road.cancel(asked.id).state == "cancelled"
    assert [step.to_state for step in road.steps(asked)] == ["approved", "cancelled"]
    expect_free(road)


def test_takes_back_a_bundle_that_nobody_was_given(road: Road, asked: Withdrawal) -> None:
    road.settle(cosigners=())
    assert road.state(asked) == "awaiting_signatures"
    assert road.reserved() == 1
    assert road.cancel(asked.id).state == "cancelled"
    assert road.bundles_for("north") == []
    assert [attempt.state for attempt in road.attempts(asked)] == ["abandoned"]
    expect_free(road)


def test_refuses_once_a_cosigner_was_given_the_bundle(road: Road, asked: Withdrawal) -> None:
    road.settle(cosigners=())
    assert len(road.bundles_for("north")) == 1
    with pytest.raises(MayBeSigned):
        road.cancel(asked.id)
    assert road.balance("acme")[1] == HELD
    road.settle()
    road.mine(2)
    assert road.state(asked) == "completed"
    road.check()


def _nothing(_road: Road) -> None:
    """Approved, nothing composed."""


def _composed(road: Road) -> None:
    road.settle(cosigners=())


def _given(road: Road) -> None:
    _composed(road)
    road.bundles_for("east")


def _signed_by_one(road: Road) -> None:
    _composed(road)
    road.cosign("north")


def _refused_by_one(road: Road) -> None:
    _composed(road)
    road.cosign("south", confirm=no)


def _signed_by_two(road: Road) -> None:
    _composed(road)
    road.cosign("north", "south")


def _finalised(road: Road) -> None:
    _signed_by_two(road)
    road.deliver(topics={"signing.complete"})


def _sent(road: Road) -> None:
    road.settle()


def _in_a_block_unseen(road: Road) -> None:
    road.settle()
    road.node.mine(1)


def _confirmed(road: Road) -> None:
    road.settle()
    road.mine(1)


def _completed(road: Road) -> None:
    road.settle()
    road.mine(2)


MOMENTS = [
    *(_nothing, _composed, _given, _signed_by_one, _refused_by_one, _signed_by_two),
    *(_finalised, _sent, _in_a_block_unseen, _confirmed, _completed),
]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__.strip("_"))
def test_p040_is_never_both_cancelled_and_paid(road: Road, asked: Withdrawal, moment: Callable[[Road], None]) -> None:
    moment(road)
    try:
        road.cancel(asked.id)
    except (MayBeSigned, NotPossible):
        expected = "completed"
    else:
        expected = "cancelled"
    road.settle()
    road.mine(2)
    assert road.state(asked) == expected
    assert (expected == "cancelled") == (moment in (_nothing, _composed))
    road.check()


def test_lets_either_the_cancel_or_the_bundle_win_a_race(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", *[btc("0.03")] * 6)
    raced = [road.ask("acme", btc("0.02")) for _ in range(6)]
    road.settle(cosigners=())
    given: list[str] = []
    cancelled: list[str] = []

    def cosigner() -> None:
        given.extend(payment.proven.intent.digest for item in road.bundles_for("north") for payment in item.payments)

    def operator() -> None:
        for withdrawal in raced:
            try:
                road.cancel(withdrawal.id)
                cancelled.append(withdrawal.digest)
            except MayBeSigned:
                pass

    racers = [threading.Thread(target=operator), threading.Thread(target=cosigner)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert set(given).isdisjoint(cancelled)
    assert {*given, *cancelled} == {withdrawal.digest for withdrawal in raced}
    road.settle()
    road.mine(2)
    assert sorted(road.state(item) for item in raced) == ["cancelled"] * len(cancelled) + ["completed"] * len(given)
    road.check()


def test_expires_what_ran_out_while_people_were_awaited(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    large = road.ask("acme", btc("0.2"))
    assert _expire(road, timedelta(days=1)) == []
    assert _expire(road, timedelta(days=3)) == [large.id]
    assert road.state(large) == "expired"
    with pytest.raises(CustodyError):
        road.approve(large.digest, "alice")
    expect_free(road)


def test_expires_a_composed_one_only_while_nobody_was_given_it(road: Road, asked: Withdrawal) -> None:
    road.settle(cosigners=())
    assert _expire(road, timedelta(days=3)) == [asked.id]
    assert _expire(road, timedelta(days=3)) == []
    expect_free(road)


def test_does_not_expire_what_a_cosigner_may_have_signed(road: Road, asked: Withdrawal) -> None:
    road.settle(cosigners=())
    road.bundles_for("east")
    assert _expire(road, timedelta(days=3)) == []
    assert road.state(asked) == "awaiting_signatures"
    assert road.balance("acme")[1] == HELD
    road.settle()
    road.mine(2)
    road.check()


def test_frees_the_money_of_one_that_an_operator_rejects(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    large = road.ask("acme", btc("0.2"))
    road.approve(large.digest, "alice")
    road.approve(large.digest, "bob", verdict="reject")
    road.settle()
    assert road.state(large) == "rejected"
    with pytest.raises(NotWaiting):
        road.approve(large.digest, "carol")
    expect_free(road)


def _expire(road: Road, later: timedelta) -> list[str]:
    with road.db.unit() as unit:
        return withdrawals.expire_overdue(unit.session, now=unit.now + later)
