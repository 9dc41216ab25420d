"""Postgres dies, the node goes away, answers get lost: money waits, and says what for."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from custody.chains.port import NodeUnavailable
from custody.reconciliation.stuck import stuck
from custody.withdrawals.states import State
from tests.chains.bitcoin.wire import ForgetfulProxy
from tests.crash.live import Live, living
from tests.crash.roads import CLIENT, DEPOSIT_DEPTH, DEPOSIT_SAT, LARGE_SAT, PAYMENT_DEPTH, SMALL_SAT, Journey, payment
from tests.crash.yard import Yard
from tests.support.oracle import plays


def test_goes_on_after_postgres_was_killed(live: Live, journey: Journey) -> None:
    live.launch()
    digest = journey.ask_for(LARGE_SAT)
    _kill_postgres(live)
    journey.say(digest, "alice", "bob")
    journey.until_state(State.AWAITING_SIGNATURES, State.SIGNED, State.BROADCAST)
    _kill_postgres(live)
    _finish(journey, LARGE_SAT)


def test_credits_and_spends_nothing_while_the_node_is_down(live: Live) -> None:
    journey = Journey(live)
    journey.fund()
    further = journey.live.house.address(CLIENT).address
    node = live.chain.node
    arriving = live.chain.send(further, DEPOSIT_SAT)
    journey.mine_unread(arriving, blocks=DEPOSIT_DEPTH)
    node.stop()
    live.launch()
    journey.ask_for(SMALL_SAT)
    live.until(lambda: _why_waiting(live) == NodeUnavailable.code, "the queue says why")
    assert journey.withdrawal().state == State.APPROVED
    assert live.house.balance(CLIENT) == (DEPOSIT_SAT - SMALL_SAT - 20_000, SMALL_SAT + 20_000)
    assert any(NodeUnavailable.code in why for why in _stuck_later(live))
    node.start()
    live.until(lambda: sum(live.house.balance(CLIENT)) >= DEPOSIT_SAT * 2 - 20_000, "the deposit credited")
    journey.until_state(State.BROADCAST)
    live.chain.mine(str(journey.withdrawal().txid))
    journey.until_confirmed(blocks=PAYMENT_DEPTH - 1)
    live.expect_sound()
    assert live.chain.payments(journey.destination, since_height=live.start_height) == [journey.withdrawal().txid]


@plays("P-033")
def test_p033_pays_once_when_the_worker_dies_between_sending_and_writing(live: Live) -> None:
    payment(live, "withdrawals.sent")
    assert [kind for kind, _ in live.deaths] == ["worker"]


@plays("P-034")
def test_p034_pays_once_when_the_nodes_answer_to_a_broadcast_is_lost(yard: Yard) -> None:
    node = yard.chain.node
    with ForgetfulProxy(node.port) as wire:
        url = node.url.replace(f":{node.port}", f":{wire.port}")
        with living(yard, node_url=url) as live:
            journey = Journey(live)
            journey.fund()
            wire.swallow = b"sendrawtransaction"
            live.launch()
            journey.ask_for(SMALL_SAT)
            journey.until_state(State.SIGNED)
            live.until(wire.swallowed.is_set, "the answer lost")
            wire.swallow = None
            live.until(lambda: journey.attempts()[0].state == "sent", "the attempt sent")
            _finish(journey, SMALL_SAT)
            assert len(journey.attempts()) == 1


def _kill_postgres(live: Live) -> None:
    server = live.yard.servers.postgres()
    server.kill()
    server.start()


def _finish(journey: Journey, amount_sat: int) -> None:
    journey.until_state(State.BROADCAST)
    journey.live.chain.mine(str(journey.withdrawal().txid))
    journey.until_confirmed(blocks=PAYMENT_DEPTH - 1)
    journey.expect_paid_once(amount_sat)


def _why_waiting(live: Live) -> str | None:
    with live.house.db.unit() as unit:
        query = text("SELECT failed FROM outbox WHERE topic = 'withdrawals.compose' AND done_at IS NULL")
        found: str | None = unit.session.execute(query).scalar_one_or_none()
    return found


def _stuck_later(live: Live) -> list[str]:
    """What the queue would say in ten minutes."""
    with live.house.db.unit() as unit:
        later = unit.now + timedelta(minutes=10)
        return [row.why for row in stuck(unit.session, deadlines=live.house.runtime.deadlines, now=later)]
