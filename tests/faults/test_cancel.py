"""P-040: a cancel at any moment between approval and completion ends in cancelled or paid, never in both."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from custody.kernel.errors import Conflict
from custody.withdrawals import operations as withdrawals
from custody.withdrawals import queries
from custody.withdrawals.model import Withdrawal
from custody.withdrawals.states import State
from tests.cosigner.builders import DEMO_POLICY, address
from tests.crash.live import Live, living
from tests.crash.roads import CLIENT, PAYMENT_DEPTH
from tests.crash.yard import Yard
from tests.faults.wallets import fund_in_coins
from tests.support.oracle import plays
from workers import unit as shapes
from workers.tasks import withdrawals as effects

AMOUNT_SAT = 5_100_000
"""Above what leaves without people."""
COIN_SAT = 5_600_000
COINS = 40
LEAST_MOMENTS = 20
INSIDE_A_UNIT = ("before_commit",)


class Moments:
    """Counts the moments of one withdrawal's road, and lets something happen at one of them."""

    def __init__(self, act_at: int | None, act: Callable[[], None]) -> None:
        self._act_at, self._act = act_at, act
        self.names: list[str] = []

    def __call__(self, name: str) -> None:
        """The moment ``name`` has come. Inside a unit nobody else can act on what it holds."""
        if name.endswith(INSIDE_A_UNIT):
            return
        self.names.append(name)
        if len(self.names) - 1 == self._act_at:
            self._act()


@pytest.fixture
def live(yard: Yard) -> Iterator[Live]:
    """A house whose policy lets all of these payments go in one day."""
    generous = DEMO_POLICY.replace('window: 24h, amount: "1 BTC"', 'window: 24h, amount: "10 BTC"')
    assert generous != DEMO_POLICY
    with living(yard, policy=generous) as live:
        yield live


@plays("P-040")
def test_p040_never_both_cancels_and_pays(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    fund_in_coins(live, {CLIENT: [COIN_SAT] * COINS})
    uncancelled, names = _travel(live, monkeypatch, 0, None)
    assert uncancelled.state == State.COMPLETED
    assert len(names) >= LEAST_MOMENTS, names
    ends = [_travel(live, monkeypatch, place + 1, place)[0] for place in range(len(names))]
    for found in [uncancelled, *ends]:
        paid = live.chain.payments(found.destination, since_height=live.start_height)
        assert len(paid) == (found.state == State.COMPLETED), found
    assert {found.state for found in ends} == {State.CANCELLED, State.COMPLETED}
    assert ends[0].state == State.CANCELLED
    assert ends[-1].state == State.COMPLETED
    states = [found.state for found in ends]
    assert states == sorted(states), "once a cancel was refused, every later one is"
    live.expect_sound()


def _travel(
    live: Live, monkeypatch: pytest.MonkeyPatch, number: int, cancel_at: int | None
) -> tuple[Withdrawal, list[str]]:
    """One withdrawal to its end, cancelled at the moment ``cancel_at``; returns how it ended, and the moments."""
    house = live.house
    destination = address(f"destination {number} of {live.name}")
    found = house.withdraw(house.withdrawal_request(CLIENT, AMOUNT_SAT, destination=destination))
    moments = Moments(cancel_at, lambda: _cancel(live, found.id))
    for module in (shapes, effects):
        monkeypatch.setattr(module, "crash_point", moments)
    moments("asked")
    for person in ("alice", "bob"):
        if _now(live, found).state == State.PENDING_APPROVAL:
            house.approve(found.digest, person)
        moments(f"approved by {person}")
    _step(live, moments)
    live.sign_here(lambda: moments("a cosigner was given it or has answered"))
    _step(live, moments)
    sent = _now(live, found).txid
    if sent is None:
        return _now(live, found), moments.names
    for block in range(PAYMENT_DEPTH):
        live.chain.mine(*([] if block else [sent]))
        moments("mined")
        live.scan()
        moments("read")
    return _now(live, found), moments.names


def _step(live: Live, moments: Moments) -> None:
    while live.deliver_one():
        moments("delivered")


def _cancel(live: Live, withdrawal: str) -> None:
    try:
        with live.house.db.unit() as unit:
            withdrawals.cancel(unit.session, withdrawal=withdrawal, actor="exchange", now=unit.now)
    except Conflict:
        return


def _now(live: Live, withdrawal: Withdrawal) -> Withdrawal:
    with live.house.db.unit() as unit:
        return queries.get(unit.session, withdrawal=withdrawal.id)
