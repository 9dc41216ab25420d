"""A payment that may be signed is given up by using its turn for nothing: it is paid or returned, never both."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from custody.approvals.operations import NotWaiting
from custody.kernel.errors import CustodyError
from custody.trust.operations import in_force
from custody.withdrawals import operations as withdrawals
from custody.withdrawals.model import Withdrawal
from demo.bitcoind import NodeRefused
from tests.chains.ethereum.conftest import ANVIL
from tests.integration.evm.odd import STRANGER, no_op_of, road, signed, token
from tests.support.evm import Contract
from tests.support.oracle import plays
from tests.support.turns import DEPTH, SPENDING, Turns

__all__ = ["road", "token"]

Act = Callable[[Turns, Withdrawal], Any]


@plays("P-015")
def test_p015_a_payment_that_reverts_for_ever_is_given_up_once(road: Turns, token: Contract) -> None:
    asked = signed(road)
    payment = road.attempts(asked)[0]
    token.transact("setPaused", True)
    for _ in range(2):
        with pytest.raises(NodeRefused):
            road.carry(payment)
    road.settle()
    # The money stays held while the signed SafeTx lives.
    assert (road.state(asked), road.balance("acme", "ODD")) == ("broadcast", (600, 400))
    road.respend(asked)
    road.settle()
    assert road.state(asked) == "cancelling"
    no_op = no_op_of(road, asked)
    assert (no_op.claims, no_op.state, SPENDING.payments_of(no_op.unsigned).payments) == (payment.claims, "sent", ())
    assert road.balance("acme", "ODD") == (600, 400)
    road.carry(no_op)
    road.mine(DEPTH - 2)
    assert (road.state(asked), road.balance("acme", "ODD")) == ("cancelling", (600, 400))
    road.mine(1)
    assert (road.state(asked), road.balance("acme", "ODD")) == ("cancelled", (1_000, 0))
    # Whoever kept the old one has nothing: its nonce is used.
    token.transact("setPaused", False)
    with pytest.raises(NodeRefused, match="GS026"):
        road.carry(payment, sender=STRANGER)
    again = road.ask("acme", 1_000, "ODD")
    road.pay_out()
    assert road.state(again) == "completed"
    road.check()


STAGES: dict[str, Act] = {
    "before it was asked": lambda _road, _asked: None,
    "asked": lambda road, asked: road.respend(asked, approvers=()),
    "approved": lambda road, asked: road.respend(asked),
    "cancelling": lambda road, asked: (road.respend(asked), road.settle(cosigners=())),
    "one signature": lambda road, asked: (road.respend(asked), road.settle(cosigners=("cosigner-3",))),
    "signed": lambda road, asked: (road.respend(asked), road.settle()),
}


@pytest.mark.parametrize("stage", list(STAGES))
@plays("P-015")
def test_p015_a_stranger_relaying_the_old_payment_at_any_moment_pays_it_once(road: Turns, stage: str) -> None:
    asked = signed(road)
    payment = road.attempts(asked)[0]
    STAGES[stage](road, asked)
    road.carry(payment, sender=STRANGER)
    road.settle()
    if stage == "before it was asked":
        with pytest.raises(withdrawals.CannotRespend):
            road.respend(asked)
    if stage == "signed":
        with pytest.raises(NodeRefused, match="GS026"):
            road.carry(no_op_of(road, asked))
    road.mine(DEPTH)
    road.settle()
    assert (road.state(asked), road.balance("acme", "ODD")) == ("completed", (600, 0))
    road.check()


def test_a_quorum_that_signed_out_of_sight_still_pays_while_it_is_given_up(road: Turns) -> None:
    """Signatures that nobody handed in: nothing is final here, and the chain knows it as ours all the same."""
    asked = road.ask("acme", 400, "ODD")
    road.settle(cosigners=())
    final = road.finished_elsewhere(asked)
    assert road.state(asked) == "awaiting_signatures"
    road.respend(asked)
    road.settle(cosigners=())
    assert road.state(asked) == "cancelling"
    road.carry_raw(final, sender=STRANGER)
    road.mine(DEPTH)
    road.settle()
    assert (road.state(asked), road.balance("acme", "ODD")) == ("completed", (600, 0))
    road.check()


def test_what_is_given_up_is_neither_signed_nor_sent_any_more(road: Turns) -> None:
    asked = road.ask("acme", 400, "ODD")
    road.settle(cosigners=("cosigner-1",))
    road.respend(asked)
    road.settle(cosigners=())
    payment = road.attempts(asked)[0]
    assert [document["attempt"] for document in road.give_out("cosigner-2")] == [no_op_of(road, asked).id]
    road.pay_out()
    assert road.state(asked) == "cancelled"
    assert payment.spend not in road.tries
    road.check()


def test_a_wish_changes_nothing_until_it_is_approved(road: Turns) -> None:
    asked = signed(road)
    wished = road.respend(asked, approvers=())
    with pytest.raises(withdrawals.CannotRespend, match="people are asked already"):
        road.respend(asked)
    road.approve(wished.intent.digest, "bob", verdict="reject")
    road.settle()
    assert road.state(asked) == "broadcast"
    road.pay_out()
    assert road.state(asked) == "completed"
    road.check()


def test_a_wish_for_what_was_paid_meanwhile_is_forgotten(road: Turns) -> None:
    asked = signed(road)
    wished = road.respend(asked, approvers=())
    road.pay_out()
    assert road.state(asked) == "completed"
    with pytest.raises(NotWaiting, match="the intent is withdrawn"):
        road.approve(wished.intent.digest, "alice")
    road.check()


def test_asking_again_is_the_same_wish(road: Turns) -> None:
    asked = signed(road)
    request = road.respend_request(asked)
    found = [road.file_respend(request) for _ in range(2)]
    assert [item.replayed for item in found] == [False, True]
    assert found[0].intent.digest == found[1].intent.digest
    road.approve(found[0].intent.digest, "alice")
    for _ in range(2):
        road.settle(cosigners=())
    assert len([item for item in road.attempts(asked) if not item.pays]) == 1
    road.pay_out()
    assert road.state(asked) == "cancelled"
    road.check()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 401}, "request.amount"),
        ({"asset": ANVIL.asset.id}, "request.asset"),
        ({"client": "birch"}, "request.of"),
        ({"of": "ab" * 32}, "request.of"),
    ],
)
def test_refuses_a_wish_that_is_not_about_the_withdrawal(road: Turns, change: dict[str, Any], field: str) -> None:
    asked = signed(road)
    before = road.head()
    with pytest.raises(CustodyError) as refused:
        road.respend(asked, **change)
    assert refused.value.field == field
    assert road.head() == before
    assert road.see(asked).respend is None


@pytest.mark.parametrize("state", ["approved", "cancelled", "completed"])
def test_refuses_where_there_is_nothing_to_give_up(road: Turns, state: str) -> None:
    asked = road.ask("acme", 400, "ODD")
    if state == "cancelled":
        with road.db.unit() as unit:
            withdrawals.cancel(unit.session, withdrawal=asked.id, actor="alice", now=unit.now)
    if state == "completed":
        road.pay_out()
    assert road.state(asked) == state
    with pytest.raises(withdrawals.CannotRespend, match=f"the withdrawal is {state}"):
        road.respend(asked)


def test_a_cancel_is_refused_while_a_signature_may_exist(road: Turns) -> None:
    asked = signed(road)
    road.respend(asked)
    road.settle(cosigners=())
    with pytest.raises(CustodyError, match="cancelling cannot cancel"), road.db.unit() as unit:
        withdrawals.cancel(unit.session, withdrawal=asked.id, actor="alice", now=unit.now)
    assert road.balance("acme", "ODD") == (600, 400)


def test_what_every_quorum_refuses_to_use_up_can_be_asked_for_again(road: Turns) -> None:
    asked = signed(road)
    road.respend(asked)
    road.settle(cosigners=())
    for name in ("cosigner-2", "cosigner-3"):
        road.refuse(name)
    road.settle(cosigners=())
    assert (road.state(asked), no_op_of(road, asked).state) == ("cancelling", "abandoned")
    road.respend(asked)
    road.pay_out()
    # The same bytes again: there is only one way to use a turn for nothing.
    assert [item.state for item in road.attempts(asked) if not item.pays] == ["abandoned", "confirmed"]
    assert road.state(asked) == "cancelled"
    road.check()


def test_what_every_quorum_refused_to_pay_can_still_be_used_up(road: Turns) -> None:
    asked = road.ask("acme", 400, "ODD")
    road.settle(cosigners=())
    for name in ("cosigner-2", "cosigner-3"):
        road.refuse(name)
    # People agree before anybody has taken the refusals up.
    wish = road.respend(asked)
    with road.db.unit() as unit:
        withdrawals.mark_respend_approved(
            unit.session,
            digest=wish.intent.digest,
            trust=in_force(unit.session),
            correlation_id="first",
            now=unit.now,
        )
    assert road.state(asked) == "cancelling"
    road.pay_out()
    assert (road.state(asked), road.balance("acme", "ODD")) == ("cancelled", (1_000, 0))
    road.check()


def test_what_nobody_signed_in_time_can_be_asked_for_again(road: Turns) -> None:
    asked = signed(road)
    road.respend(asked)
    road.settle(cosigners=("cosigner-1",))
    first = no_op_of(road, asked)
    again = road.respend(asked)
    for _ in range(2):
        road.settle(cosigners=("cosigner-1",))
        with road.db.unit() as unit:
            withdrawals.mark_respend_approved(
                unit.session,
                digest=again.intent.digest,
                trust=in_force(unit.session),
                correlation_id="again",
                now=unit.now,
            )
    assert [(item.spend, item.state) for item in road.attempts(asked) if not item.pays] == [
        (first.spend, "abandoned"),
        (first.spend, "composed"),
    ]
    road.pay_out()
    assert road.state(asked) == "cancelled"
    road.check()


def test_a_frozen_client_can_be_given_its_money_back(road: Turns) -> None:
    asked = signed(road)
    road.freeze_client("acme")
    road.respend(asked)
    road.pay_out()
    assert (road.state(asked), road.balance("acme", "ODD")) == ("cancelled", (1_000, 0))
    road.check()


@pytest.mark.parametrize("spent", [False, True])
def test_a_deep_reorg_of_what_used_the_turn_holds_the_money_again(road: Turns, spent: bool) -> None:
    asked = signed(road)
    road.respend(asked)
    road.settle()
    road.carry(no_op_of(road, asked))
    road.mine(DEPTH - 1)
    assert road.state(asked) == "cancelled"
    if spent:
        road.ask("acme", 900, "ODD")
    road.anvil.reorg(DEPTH)
    road.anvil.mine(1)
    road.settle()
    assert road.state(asked) == "cancelling"
    assert "payment-possible-again" in road.alarms()
    assert road.balance("acme", "ODD") == ((0, 1_300) if spent else (600, 400))
    frozen = road.rows("SELECT status FROM clients WHERE id = 'acme'")[0][0]
    assert frozen == ("frozen" if spent else "active")
    # Whichever ends first decides, now as before.
    road.carry(road.attempts(asked)[0], sender=STRANGER)
    road.mine(DEPTH)
    road.settle()
    assert road.state(asked) == "completed"
    road.expect_agreement()
    road.expect_whole()


def test_a_payment_that_a_reorg_puts_in_the_place_of_the_no_op_is_paid(road: Turns) -> None:
    asked = signed(road)
    road.respend(asked)
    road.settle()
    road.carry(no_op_of(road, asked))
    road.follow()
    road.anvil.reorg(1)
    road.carry(road.attempts(asked)[0], sender=STRANGER)
    road.settle()
    assert road.state(asked) == "confirmed"
    road.mine(DEPTH)
    road.settle()
    assert (road.state(asked), road.balance("acme", "ODD")) == ("completed", (600, 0))
    road.check()


def test_a_no_op_that_a_reorg_puts_in_the_place_of_the_payment_is_no_payment(road: Turns) -> None:
    asked = signed(road)
    road.respend(asked)
    road.settle()
    no_op, payment = no_op_of(road, asked), road.attempts(asked)[0]
    road.carry(payment, sender=STRANGER)
    road.mine(DEPTH)
    assert road.state(asked) == "completed"
    road.anvil.reorg(DEPTH + 1)
    road.anvil.mine(1)
    road.settle()
    assert (road.state(asked), road.balance("acme", "ODD")) == ("cancelling", (600, 400))
    assert [step.event for step in road.steps(asked)][-2:] == ["reorganise", "give_up"]
    road.carry(no_op)
    road.mine(DEPTH)
    road.settle()
    assert (road.state(asked), road.balance("acme", "ODD")) == ("cancelled", (1_000, 0))
    road.check()


def _carry(road: Turns, asked: Withdrawal, *, pays: bool) -> None:
    """Anybody carries out whatever is signed, by whoever wanted it; what cannot be is refused by the node."""
    for attempt in road.attempts(asked):
        if attempt.final is not None and attempt.pays == pays:
            with suppress(NodeRefused):
                road.carry(attempt, sender=STRANGER)


def _give_up(road: Turns, asked: Withdrawal) -> None:
    with suppress(withdrawals.CannotRespend):
        road.respend(asked)


def _reorganise(road: Turns, since: int) -> None:
    depth = min(random.randint(1, DEPTH + 1), road.anvil.height() - since)
    if depth > 0:
        road.anvil.reorg(depth)
        road.anvil.mine(1)


MOVES: dict[str, Callable[[Turns, Withdrawal, int], Any]] = {
    "pay": lambda road, asked, _since: _carry(road, asked, pays=True),
    "use up": lambda road, asked, _since: _carry(road, asked, pays=False),
    "give up": lambda road, asked, _since: _give_up(road, asked),
    "reorganise": lambda road, _asked, since: _reorganise(road, since),
    "sign": lambda road, _asked, _since: road.settle(),
    "look": lambda road, _asked, _since: road.settle(cosigners=()),
    "mine": lambda road, _asked, _since: road.mine(DEPTH),
}


@plays("P-015")
def test_p015_whatever_happens_in_any_order_it_is_paid_or_returned_once(road: Turns) -> None:
    for _ in range(3):
        before, since = sum(road.balance("acme", "ODD")), road.anvil.height()
        asked = road.ask("acme", 10, "ODD")
        played = random.choices(list(MOVES), k=9)
        for name in played:
            MOVES[name](road, asked, since)
        # However the coin falls, somebody carries it in the end, and that is looked at.
        for pays in (*(random.random() < 0.5 for _ in range(5)), True):
            road.settle()
            _carry(road, asked, pays=pays)
            road.mine(DEPTH)
        road.settle()
        paid = {"completed": 10, "cancelled": 0}[road.state(asked)]
        told = f"{played}: {[step.event for step in road.steps(asked)]}"
        assert road.received(asked) == paid, told
        assert road.balance("acme", "ODD") == (before - paid, 0), told
    road.check()
