"""The road of a sweep: what a client has in an older vault arrives in its later one once, whatever dies on the way."""

from __future__ import annotations

from custody.evidence.keysets import Keyset
from custody.openings import operations as openings
from custody.trust import operations as trust
from custody.withdrawals.states import State
from tests.cosigner.builders import DEMO_POLICY
from tests.crash.live import Live
from tests.crash.roads import CLIENT, DEPOSIT_DEPTH, DEPOSIT_SAT, LARGE_SAT, PAYMENT_DEPTH, Journey
from tests.support.rotating import LATER, SWEEPS, keyset_of, propose, succeed, sweep_request

POLICY = DEMO_POLICY + SWEEPS
BRANCH = 8
FEE_SAT = 10_000
"""All that is left over goes to the network: nothing stays in the older vault."""


def sweeping(live: Live, crash_at: str) -> None:
    """The keyset is left, the client has its later vault; its whole money is asked to follow."""
    journey = Journey(live)
    journey.fund()
    older = _rotated(live)
    live.launch(crash_at=crash_at)
    request = sweep_request(live.house, CLIENT, DEPOSIT_SAT - FEE_SAT, out_of=older, max_fee=FEE_SAT)
    body = live.house.body(request)
    journey.say(str(live.ask("bob", "POST", "/v1/intents", body)["digest"]), "alice")
    journey.until_state(State.BROADCAST)
    live.chain.mine(str(journey.withdrawal().txid))
    for _ in range(DEPOSIT_DEPTH - 1):
        live.chain.mine()
    live.until(lambda: live.house.balance(CLIENT) == (DEPOSIT_SAT - FEE_SAT, 0), "all of it in the later vault")
    live.until(lambda: journey.withdrawal().state == State.COMPLETED, "sweep completed")
    live.expect_sound()
    arrived = live.chain.payments(request.destination, since_height=live.start_height)
    assert arrived == [journey.withdrawal().txid]


def succeeding(live: Live, crash_at: str) -> None:
    """People agree to a later keyset while a payment waits for them: it is judged again under the new rules."""
    journey = Journey(live)
    journey.fund()
    asked = live.house.withdraw(journey.request(LARGE_SAT))
    live.deliver()
    keyset = keyset_of((*live.house.ceremony.cosigners[:2], f"west-of-{live.name}"))
    change = propose(live.house, keyset)
    live.launch("api", "worker", "relay", crash_at=crash_at)
    journey.say(change.digest, "bob", "carol")
    live.until(lambda: _newest(live) == keyset, "the later keyset in force")
    journey.say(asked.digest, "alice", "bob")
    journey.until_state(State.BROADCAST)
    live.chain.mine(str(journey.withdrawal().txid))
    journey.until_confirmed(blocks=PAYMENT_DEPTH - 1)
    journey.expect_paid_once(LARGE_SAT)


def _newest(live: Live) -> Keyset | None:
    with live.house.db.unit() as unit:
        return trust.in_force(unit.session).root.newest_keyset(live.house.runtime.only.chain)


def _rotated(live: Live) -> str:
    """A later keyset in force, and the client's vault there; returns the older one."""
    house = live.house
    stay = house.ceremony.cosigners[:2]
    succeed(house, keyset_of((*stay, f"west-of-{live.name}")), deliver=live.deliver)
    request = house.opening_request(CLIENT, branch=BRANCH, keyset=LATER, idempotency_key="later")
    opening = house.request_opening(request)
    house.approve(opening.digest, "alice")
    with house.db.unit() as unit:
        openings.complete(unit.session, digest=opening.digest, now=unit.now)
    older, house.vaults[CLIENT] = house.vaults[CLIENT], f"{LATER}/{BRANCH}"
    house.stock(house.vaults[CLIENT], 5)
    live.deliver()
    return older
