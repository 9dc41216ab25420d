"""The broker is a doorbell: it may forget, die, or ring twice, and that costs time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import redis
from celery import Celery

from custody.outbox import operations as outbox
from custody.spends import queries as spends
from custody.withdrawals import queries
from custody.withdrawals.model import Withdrawal
from custody.withdrawals.states import State
from tests.cosigner.builders import address
from tests.crash.live import Live, living
from tests.crash.roads import LARGE_SAT, PAYMENT_DEPTH, SMALL_SAT, Journey
from tests.crash.yard import Yard
from tests.faults.wallets import fund_in_coins
from tests.faults.wires import SlowProxy
from tests.support.oracle import plays

QUEUE = "custody"
MANY, EACH = 200, 20
"""Withdrawals at once, and how many of them one client asks for: its policy lets no more go in one day."""
FOR_ALL_SECONDS = 300.0
LEASE_SECONDS = 10
"""Nearer to the usual one than other cases need: a queue this long is not worked off before a short one runs out, and
everything in it would be published, delivered and dropped once more for each time it does.
"""


def test_goes_on_after_the_broker_forgot_everything(live: Live, journey: Journey) -> None:
    live.launch("api", "relay")
    journey.ask_for(SMALL_SAT)
    with redis.Redis.from_url(live.broker_url) as broker:
        live.until(lambda: broker.llen(QUEUE) > 0, "work waiting on the broker")
        live.yard.broker.flush()
    live.launch("worker")
    finish(journey, SMALL_SAT)


def test_goes_on_after_the_broker_died_and_came_back(live: Live, journey: Journey) -> None:
    live.may_end = frozenset({"worker"})
    live.launch()
    digest = journey.ask_for(LARGE_SAT)
    live.yard.broker.kill()
    journey.say(digest, "alice", "bob")
    assert journey.withdrawal().state == State.PENDING_APPROVAL
    live.yard.broker.start()
    finish(journey, LARGE_SAT)


def test_handles_what_is_delivered_twice_at_once_only_once(live: Live, journey: Journey) -> None:
    live.launch("api", "worker", "worker")
    with ringing_twice(live):
        journey.say(journey.ask_for(LARGE_SAT), "alice", "bob")
        finish(journey, LARGE_SAT)


@plays("P-039")
def test_p039_has_one_effect_when_a_task_outlives_the_visibility_timeout(yard: Yard) -> None:
    node = yard.chain.node
    with SlowProxy(node.port, slow=b"sendrawtransaction", seconds=3) as wire:
        url = node.url.replace(f":{node.port}", f":{wire.port}")
        with living(yard, node_url=url, visibility_seconds=1, lease_seconds=1) as live:
            journey = Journey(live)
            journey.fund()
            live.launch("worker")
            live.launch()
            journey.ask_for(SMALL_SAT)
            finish(journey, SMALL_SAT)
            assert wire.most_at_once > 1, "the task never ran twice at once"


@plays("P-042")
def test_p042_catches_up_after_ten_minutes_without_a_broker(yard: Yard) -> None:
    """Two hundred withdrawals of ten clients are approved while the broker is down. Asked for by direct calls; from
    there to completion the daemon's own processes take every one, and its cosigners sign over the API.
    """
    with living(yard, lease_seconds=LEASE_SECONDS) as live:
        _catch_up(live)


def _catch_up(live: Live) -> None:
    clients = [f"client{number}" for number in range(MANY // EACH)]
    fund_in_coins(live, dict.fromkeys(clients, [SMALL_SAT + 100_000] * EACH))
    wanted = [ask_to_pay(live, clients[number % len(clients)], number) for number in range(MANY)]
    live.may_end = frozenset({"worker"})
    live.yard.broker.kill()
    live.shift_clock(600)
    live.launch()
    live.until(lambda: "stuck" in live.alarms(), "the stuck alarm")
    assert states(live) == {State.APPROVED: MANY}
    live.yard.broker.start()
    until_all(live, State.BROADCAST)
    live.chain.mine(*(str(found.txid) for found in live.house.withdrawals()))
    live.chain.mine()
    until_all(live, State.COMPLETED)
    live.expect_sound(alarms=frozenset({"stuck"}))
    expect_each_once(live, wanted)


def ask_to_pay(live: Live, client: str, number: int) -> Withdrawal:
    destination = address(f"destination {number} of {live.name}")
    return live.house.withdraw(live.house.withdrawal_request(client, SMALL_SAT, destination=destination))


def states(live: Live) -> Counter[State]:
    """How many withdrawals are in each state."""
    return Counter(found.state for found in live.house.withdrawals())


def until_all(live: Live, state: State) -> None:
    def arrived() -> bool:
        live.sign()
        return set(states(live)) == {state}

    live.until(arrived, f"all {state}", seconds=FOR_ALL_SECONDS)


def expect_each_once(live: Live, wanted: list[Withdrawal]) -> None:
    """Each was composed, signed, sent and paid once, and took each step once."""
    paid = live.chain.outputs(since_height=live.start_height)
    for found in live.house.withdrawals():
        assert paid[found.destination] == [found.txid]
        with live.house.db.unit() as unit:
            assert len(spends.attempts(unit.session, withdrawal=found.id)) == 1
            taken = Counter(step.to_state for step in queries.steps(unit.session, withdrawal=found.id))
        assert set(taken.values()) == {1}, taken
    assert {found.id for found in live.house.withdrawals()} == {found.id for found in wanted}
    assert len(wanted) == MANY


def finish(journey: Journey, amount_sat: int) -> None:
    """To the end of the road, paid once."""
    journey.until_state(State.BROADCAST)
    journey.live.chain.mine(str(journey.withdrawal().txid))
    journey.until_confirmed(blocks=PAYMENT_DEPTH - 1)
    journey.expect_paid_once(amount_sat)


@contextmanager
def ringing_twice(live: Live) -> Iterator[None]:
    """A relay that publishes each message, and each look at the chain, twice."""
    stop = threading.Event()
    relay = threading.Thread(target=_relay_twice, args=(live, stop))
    relay.start()
    try:
        yield
    finally:
        stop.set()
        relay.join()


def _relay_twice(live: Live, stop: threading.Event) -> None:
    celery = Celery(broker=live.broker_url)
    celery.conf.task_default_queue = QUEUE
    while not stop.wait(0.2):
        with live.house.db.unit() as unit:
            messages = outbox.lease(unit.session, now=unit.now, length=timedelta(seconds=5), limit=50)
        for message in messages:
            keywords = {
                "message_id": message.id,
                "correlation_id": message.correlation_id,
                "attempts": message.attempts,
                "payload": dict(message.payload),
            }
            for _ in range(2):
                celery.send_task(message.topic, kwargs=keywords)
        for _ in range(2):
            celery.send_task("chain.scan", kwargs={}, expires=5)
