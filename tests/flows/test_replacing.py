"""Fee bumps: every variant shares every coin of those before it and pays the same, so any one may confirm, one does."""

from __future__ import annotations

import itertools

import pytest

from custody.chains.bitcoin.offline.psbt import parse_psbt
from custody.chains.bitcoin.offline.transaction import parse_transaction
from custody.spends.model import Attempt
from custody.withdrawals.model import Withdrawal
from custody.withdrawals.operations import NothingToReplace
from tests.support.road import Road, btc, no

RATES = (10, 20, 40)


def bumped(road: Road) -> Withdrawal:
    """A payment of 0.02 that was sent and bumped three times."""
    road.open("acme")
    road.deposit("acme", btc("0.05"), btc("0.03"))
    asked = road.ask("acme", btc("0.02"), max_fee=100_000)
    road.settle()
    for rate in RATES:
        road.bump(asked.id, rate)
        road.settle()
    return asked


def paid_out(attempt: Attempt, script: bytes) -> list[int]:
    outputs = parse_transaction(parse_psbt(attempt.unsigned).unsigned_transaction, witness=False).outputs
    return [output.amount_sat for output in outputs if output.script_pubkey == script]


def change_of(attempt: Attempt, script: bytes) -> int:
    outputs = parse_transaction(parse_psbt(attempt.unsigned).unsigned_transaction, witness=False).outputs
    return sum(output.amount_sat for output in outputs if output.script_pubkey != script)


@pytest.mark.parametrize("mined", range(4))
def test_p036_pays_once_whichever_of_four_variants_is_mined(road: Road, mined: int) -> None:
    asked = bumped(road)
    variants = road.attempts(asked)
    assert [attempt.state for attempt in variants] == ["sent"] * 4
    for earlier, later in itertools.pairwise(variants):
        assert set(earlier.claims) <= set(later.claims)
        assert earlier.fee_units < later.fee_units <= asked.max_fee_units
        assert change_of(later, asked.locator) < change_of(earlier, asked.locator)
    assert [paid_out(attempt, asked.locator) for attempt in variants] == [[asked.units]] * 4

    final = variants[mined].final
    assert final is not None
    road.mine_only(final.hex())
    road.mine_only()
    done = road.see(asked)
    assert (done.state, done.txid, done.fee_units) == ("completed", variants[mined].spend, variants[mined].fee_units)
    assert road.balance("acme") == (btc("0.06") - variants[mined].fee_units, 0)
    states = [attempt.state for attempt in road.attempts(asked)]
    assert states == ["confirmed" if number == mined else "replaced" for number in range(4)]
    road.check()


def test_lets_the_change_vanish_into_the_fee(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.02") + 12_000)
    asked = road.ask("acme", btc("0.02"), max_fee=12_000)
    road.settle()
    assert change_of(road.attempts(asked)[0], asked.locator) > 0
    road.bump(asked.id, 60)
    road.settle()
    first, second = road.attempts(asked)
    assert change_of(second, asked.locator) == 0
    assert second.fee_units == 12_000
    road.mine(2)
    assert road.see(asked).txid == second.spend
    assert road.balance("acme") == (0, 0)
    assert first.change_index is not None
    road.check()


def test_may_add_one_confirmed_coin_that_brings_change_back(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.02") + 12_000, btc("0.01"))
    asked = road.ask("acme", btc("0.02"), max_fee=60_000)
    road.settle()
    for rate in (60, 80):
        road.bump(asked.id, rate)
        road.settle()
    attempts = road.attempts(asked)
    assert len(attempts[-1].inputs) == 2
    assert change_of(attempts[-1], asked.locator) > 0
    road.mine(2)
    assert road.see(asked).txid == attempts[-1].spend
    road.check()


def test_leaves_the_first_standing_when_cosigners_refuse_the_replacement(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.05"))
    asked = road.ask("acme", btc("0.02"), max_fee=100_000)
    road.settle()
    road.bump(asked.id, 20)
    road.settle(cosigners=())
    road.cosign("north", "south", confirm=no)
    road.settle(cosigners=())
    assert road.state(asked) == "broadcast"
    assert [attempt.state for attempt in road.attempts(asked)] == ["sent", "abandoned"]
    assert road.balance("acme")[1] == asked.units + asked.max_fee_units
    road.mine(2)
    assert road.see(asked).txid == road.attempts(asked)[0].spend
    road.check()
    first, second = (road.heard("attempt", attempt.id) for attempt in road.attempts(asked))
    assert [event.event for event in first] == ["composed", "signed", "sent", "confirmed"]
    assert [event.event for event in second] == ["composed", "abandoned"]
    assert (second[-1].client, second[-1].data["withdrawal"], second[-1].data["sequence"]) == ("acme", asked.id, 2)
    (refused,) = road.rows("SELECT id FROM bundles WHERE attempt_id = :id", id=second[0].subject)
    events = road.heard("bundle", refused.id)
    assert [event.event for event in events] == ["opened", "given", "answered", "given", "answered", "refused"]
    assert events[-1].data["refused_by"] == events[-1].data["given_to"] == ["north", "south"]
    assert {event.client for event in events} == {None}


def test_replaces_again_after_a_refused_replacement(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.05"))
    asked = road.ask("acme", btc("0.02"), max_fee=100_000)
    road.settle()
    road.bump(asked.id, 20)
    road.settle(cosigners=())
    road.cosign("north", "south", confirm=no)
    road.settle(cosigners=())
    road.bump(asked.id, 30)
    road.settle()
    assert [attempt.state for attempt in road.attempts(asked)] == ["sent", "abandoned", "sent"]
    road.mine(2)
    assert road.see(asked).txid == road.attempts(asked)[2].spend
    road.check()


def test_refuses_a_second_replacement_while_one_is_on_its_way(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.05"))
    asked = road.ask("acme", btc("0.02"), max_fee=100_000)
    with pytest.raises(NothingToReplace):
        road.bump(asked.id, 20)
    road.settle()
    road.bump(asked.id, 20)
    road.settle(cosigners=())
    with pytest.raises(NothingToReplace):
        road.bump(asked.id, 30)
    road.settle()
    road.mine(2)
    with pytest.raises(NothingToReplace):
        road.bump(asked.id, 30)
    road.check()


def test_never_costs_more_than_the_requester_allowed(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.05"))
    asked = road.ask("acme", btc("0.02"), max_fee=2_000)
    road.settle()
    road.bump(asked.id, 200)
    road.settle()
    assert [attempt.state for attempt in road.attempts(asked)] == ["sent"]
    waiting = road.see(asked).waiting_for
    assert waiting is not None
    road.mine(2)
    assert road.state(asked) == "completed"
    road.check()
