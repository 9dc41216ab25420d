"""The roads on Ethereum in stages: each prepared on a node of its own, then gone to its end by an armed daemon."""

from __future__ import annotations

from custody.withdrawals.states import State
from tests.crash.ether import CLIENT, LARGE_WEI, SMALL_WEI, TOKENS, EtherJourney
from tests.crash.live import Live
from tests.crash.roads import Stage

LATER_SECONDS = 60
"""By so much the daemon lives ahead of what was prepared: a carriage that waits for a block has waited too long."""


def ether_credit(live: Live, crash_at: str) -> None:
    """The blocks with a deposit of ether and one of tokens are the first that the daemon reads."""
    journey = EtherJourney(live)
    journey.open()
    journey.deposit()
    live.chain.mine()
    live.launch("worker", "relay", crash_at=crash_at)
    live.chain.mine()
    live.until(lambda: journey.house.available(CLIENT) == journey.deposited, "both credited")
    journey.expect_whole(turns=0)


def ether_first_payment(live: Live, crash_at: str) -> None:
    """From the request to the block: what carries the first payment out makes the client's contract as well."""
    journey = EtherJourney(live)
    journey.fund()
    live.launch(crash_at=crash_at)
    journey.say(journey.ask_for(LARGE_WEI), "alice", "bob")
    journey.until_ended()
    journey.expect_whole(paid_wei=LARGE_WEI, turns=1)


def ether_second_payment(live: Live, crash_at: str) -> None:
    """The contract is there, the payer known: tokens leave at the next turn."""
    journey = EtherJourney(live)
    journey.fund()
    journey.pay()
    live.chain.mine(2)
    live.scan()
    live.launch(crash_at=crash_at)
    journey.ask_for(TOKENS, asset=journey.token_id, idempotency_key=f"tokens-{live.name}")
    journey.until_ended()
    journey.expect_whole(paid_wei=SMALL_WEI, paid_tokens=TOKENS, turns=2)


def ether_raised_fee(live: Live, crash_at: str) -> None:
    """The carriage waits too long for a block: it is replaced by one that bids more, and one of the two lands."""
    journey = EtherJourney(live)
    journey.fund()
    journey.node.automine(False)
    journey.pay()
    assert journey.bids() == 1
    live.shift_clock(LATER_SECONDS)
    live.launch("worker", "relay", crash_at=crash_at)
    live.until(lambda: journey.bids() > 1, "a higher bid")
    journey.node.automine(True)
    journey.until_ended()
    journey.expect_whole(paid_wei=SMALL_WEI, turns=1)


def ether_given_up(live: Live, crash_at: str) -> None:
    """A payment is signed and nobody can carry it; it is given up, and then both could be carried: one is."""
    journey = EtherJourney(live)
    journey.fund()
    journey.drain_payer()
    asked = journey.pay()
    live.launch(crash_at=crash_at)
    journey.say(journey.ask_to_give_up(asked), "alice", "bob")
    journey.until_state(State.CANCELLING, State.CANCELLED)
    journey.fund_payer()
    journey.until_ended()
    (found,) = journey.house.withdrawals()
    paid_wei = SMALL_WEI if found.state == State.COMPLETED else 0
    journey.expect_whole(paid_wei=paid_wei, turns=1, alarms=frozenset({"payer-low"}))


def ether_undone_payment(live: Live, crash_at: str) -> None:
    """A reorganisation took the block with the payment, and the node forgot it: it is carried again."""
    journey = EtherJourney(live)
    journey.fund()
    journey.pay()
    live.scan()
    journey.node.reorg(1)
    live.chain.mine()
    live.launch("worker", "relay", crash_at=crash_at)
    journey.until_ended()
    journey.expect_whole(paid_wei=SMALL_WEI, turns=1)


ON_ETHER: frozenset[Stage] = frozenset(
    {
        ether_credit,
        ether_first_payment,
        ether_second_payment,
        ether_raised_fee,
        ether_given_up,
        ether_undone_payment,
    }
)
