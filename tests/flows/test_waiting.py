"""Withdrawals that must wait say for what, hold their money, and go on when it is there."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from custody.chains.spending import Coin
from custody.spends.operations import ClaimTaken
from custody.trust.operations import in_force
from custody.withdrawals import operations as withdrawals
from policies.document import document_hash
from tests.cosigner.builders import DEMO_POLICY, World
from tests.support.oracle import plays
from tests.support.road import Road, btc
from tests.support.servers import FreshDatabase


def test_waits_while_all_coins_are_in_flight(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    first, second = road.ask("acme", btc("0.02")), road.ask("acme", btc("0.03"))
    road.settle()
    waiting = next(item for item in map(road.see, (first, second)) if item.state == "approved")
    assert waiting.waiting_for
    assert road.balance("acme")[1] == btc("0.05") + 40_000
    road.mine(1)
    assert road.state(waiting) == "broadcast"
    road.mine(2)
    assert {road.state(first), road.state(second)} == {"completed"}
    events = road.heard("withdrawal", waiting.id)
    (waits,) = [event for event in events if event.event == "waiting"]
    assert (waits.data["status"], waits.data["waiting_for"]) == ("approved", waiting.waiting_for)
    assert events[waits.version].data["waiting_for"] is None, "the next state waits for nothing yet"
    road.check()


def test_waits_for_a_fee_under_its_ceiling_and_can_be_cancelled(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    asked = road.ask("acme", btc("0.02"), max_fee=100)
    road.settle()
    waiting = road.see(asked)
    assert waiting.state == "approved"
    assert waiting.waiting_for is not None and "fee" in waiting.waiting_for
    assert road.attempts(asked) == []
    road.cancel(asked.id)
    assert road.balance("acme") == (btc("0.5"), 0)
    road.check()


def default(road: Road, client: str) -> None:
    """The client is in default: no freeze, which ends again, and the policy permits it nothing."""
    with road.db.unit() as unit:
        unit.session.execute(text("UPDATE clients SET status = 'defaulted' WHERE id = :client"), {"client": client})


def test_denies_at_the_quorum_what_the_policy_no_longer_permits(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    asked = road.ask("acme", btc("0.1"))
    road.approve(asked.digest, "alice")
    default(road, "acme")
    road.approve(asked.digest, "bob")
    road.settle()
    assert road.state(asked) == "denied"
    assert road.balance("acme") == (btc("0.5"), 0)
    road.check()


def test_denies_at_composing_what_the_policy_no_longer_permits(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    asked = road.ask("acme", btc("0.02"))
    default(road, "acme")
    road.settle()
    assert road.state(asked) == "denied"
    assert road.attempts(asked) == []
    assert road.balance("acme") == (btc("0.5"), 0)
    road.check()


@pytest.mark.parametrize("stopped", ["client", "vault"])
def test_holds_what_a_frozen_client_or_vault_stops_although_the_policy_does_not(
    database: FreshDatabase, chain: object, tmp_path: object, stopped: str
) -> None:
    careless = DEMO_POLICY[: DEMO_POLICY.index("  - forbid: while the books")]
    careless += DEMO_POLICY[DEMO_POLICY.index("  - permit: new clients") :]
    careless = careless.replace(", client.status: active}", "}")
    world = World(policy=careless, expires_at=datetime.now(UTC) + timedelta(days=30))
    assert world.root.policy_hash == document_hash(careless)
    road = Road.build(database, chain, tmp_path, ceremony=world)  # type: ignore[arg-type]
    vault = road.open("acme")
    road.deposit("acme", btc("0.5"))
    asked = road.ask("acme", btc("0.02"))
    if stopped == "client":
        road.freeze_client("acme")
    else:
        road.freeze_vault(vault)
    road.settle()
    waiting = road.see(asked)
    assert waiting.state == "approved"
    assert waiting.waiting_for is not None and "frozen" in waiting.waiting_for
    assert road.attempts(asked) == []
    assert road.balance("acme")[1] > 0
    road.check()
    road.close()


@pytest.mark.parametrize("stopped", ["client", "vault"])
def test_does_not_send_what_was_signed_before_a_freeze(road: Road, stopped: str) -> None:
    vault = road.open("acme")
    road.deposit("acme", btc("0.5"))
    asked = road.ask("acme", btc("0.02"))
    road.settle(cosigners=())
    road.cosign("north", "south")
    road.deliver(topics={"signing.complete"})
    assert road.state(asked) == "signed"
    if stopped == "client":
        road.freeze_client("acme")
    else:
        road.freeze_vault(vault)
    road.settle()
    road.mine(1)
    waiting = road.see(asked)
    assert waiting.state == "signed"
    assert waiting.waiting_for is not None and "frozen" in waiting.waiting_for
    assert road.paid(asked.destination) == []
    road.check()


@plays("P-081")
def test_p081_lets_one_of_two_have_a_coin_and_plans_the_other_again(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    rivals = [road.ask("acme", btc("0.01")), road.ask("acme", btc("0.02"))]
    rules = road.runtime.only.spend_rules
    plans = []
    for rival in rivals:
        with road.db.unit() as unit:
            candidates = withdrawals.composable(unit.session, withdrawal=rival.id, rules=rules)
        assert candidates is not None
        plans.append(road.runtime.only.node.plan(candidates, rules=rules))
    assert plans[0].inputs == plans[1].inputs
    barrier, taken = threading.Barrier(2), []

    def compose(number: int) -> None:
        barrier.wait()
        try:
            with road.db.unit() as unit:
                withdrawals.compose(
                    unit.session,
                    planned=plans[number],
                    trust=in_force(unit.session),
                    rules=rules,
                    seal_key=road.runtime.seal_key,
                    now=unit.now,
                )
        except ClaimTaken:
            taken.append(number)

    racers = [threading.Thread(target=compose, args=(number,)) for number in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(taken) == 1
    assert sorted(road.state(rival) for rival in rivals) == ["approved", "awaiting_signatures"]
    road.settle()
    road.mine(1)
    road.mine(2)
    assert [road.state(rival) for rival in rivals] == ["completed"] * 2
    road.check()


def test_pays_two_clients_of_one_pool_side_by_side(road: Road) -> None:
    road.pool("cobalt", "dune")
    road.deposit("cobalt", btc("0.3"), btc("0.1"))
    road.deposit("dune", btc("0.2"), btc("0.05"))
    asked = [road.ask(name, btc(amount)) for name in ("cobalt", "dune") for amount in ("0.02", "0.03")]
    racers = [threading.Thread(target=road.deliver) for _ in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    road.settle()
    for _ in range(3):
        road.mine(2)
    fees = {name: sum(road.see(item).fee_units or 0 for item in asked if item.client == name) for name in road.vaults}
    assert [road.state(item) for item in asked] == ["completed"] * 4
    assert road.balance("cobalt") == (btc("0.35") - fees["cobalt"], 0)
    assert road.balance("dune") == (btc("0.2") - fees["dune"], 0)
    road.check()


def test_spends_no_coin_that_nobody_was_credited_with(road: Road) -> None:
    """A confirmed coin that is not credited yet would be the cheaper choice: it alone would do."""
    road.open("acme")
    road.deposit("acme", btc("0.03"), btc("0.03"))
    road.node.send(road.address("acme").address, btc("0.4"))
    road.mine(1)
    assert road.balance("acme") == (btc("0.06"), 0)
    asked = road.ask("acme", btc("0.045"))
    road.settle()
    (attempt,) = road.attempts(asked)
    assert [coin.units for coin in attempt.coins] == [btc("0.03")] * 2
    road.mine(6)
    assert road.state(asked) == "completed"
    road.check()


def test_refuses_a_plan_whose_coin_was_spent_meanwhile(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.1"))
    asked = road.ask("acme", btc("0.01"))
    rules = road.runtime.only.spend_rules
    with road.db.unit() as unit:
        candidates = withdrawals.composable(unit.session, withdrawal=asked.id, rules=rules)
    assert candidates is not None
    planned = road.runtime.only.node.plan(candidates, rules=rules)
    (coin,) = planned.inputs
    assert isinstance(coin, Coin)
    gone = replace(planned, inputs=(replace(coin, position=coin.position + 7),))
    with pytest.raises(ClaimTaken), road.db.unit() as unit:
        withdrawals.compose(
            unit.session,
            planned=gone,
            trust=in_force(unit.session),
            rules=rules,
            seal_key=road.runtime.seal_key,
            now=unit.now,
        )
    assert road.reserved() == 0
    road.settle()
    road.mine(2)
    assert road.state(asked) == "completed"
    road.check()
