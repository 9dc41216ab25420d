"""Ether and tokens go out through the rooms on a real node: planned, signed, carried out by anybody, seen, settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Barrier, Thread

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from custody.chains.ethereum.planning import TurnUnknown
from custody.chains.spending import Finality, NothingFree, SpendRules, TurnTaken, WouldFail
from custody.reconciliation.invariants import check_invariants
from custody.relaying.operations import NothingToRaise
from custody.spends.operations import ClaimTaken
from custody.withdrawals import operations as withdrawals
from demo.bitcoind import NodeRefused
from demo.servers import Anvil
from tests.chains.ethereum.conftest import ETHER
from tests.support.evm import Contract, deploy_token
from tests.support.oracle import plays
from tests.support.servers import FreshDatabase
from tests.support.turns import DEPTH, Turns

STRANGER = "0x" + "5a" * 20

Build = Callable[..., Turns]


@pytest.fixture
def build(anvil: Anvil, database: FreshDatabase) -> Build:
    """A road with these tokens, acme on it with two ether."""

    def make(**tokens: tuple[Contract, int]) -> Turns:
        road = Turns(database, anvil, tokens)
        road.open("acme")
        road.fund("acme", 2 * ETHER)
        return road

    return make


@pytest.fixture
def road(build: Build) -> Turns:
    return build()


def test_one_payment_of_a_segregated_client(road: Turns) -> None:
    asked = road.ask("acme", ETHER // 2)
    assert road.balance("acme") == (3 * ETHER // 2, ETHER // 2)
    road.settle()
    assert road.state(asked) == "broadcast"
    (attempt,) = road.attempts(asked)
    assert attempt.claims == (f"{road.at['acme']}#0",)
    road.carry(attempt)
    road.settle()
    assert road.state(asked) == "confirmed"
    road.mine(DEPTH)
    assert (road.state(asked), road.see(asked).fee_units) == ("completed", 0)
    assert road.balance("acme") == (3 * ETHER // 2, 0)
    assert road.rows("SELECT count(*) FROM reservations")[0][0] == 0
    road.check()


def test_payments_of_one_account_take_turns(road: Turns) -> None:
    first, second = road.ask("acme", ETHER // 2), road.ask("acme", ETHER // 4)
    road.settle()
    assert sorted([road.state(first), road.state(second)]) == ["approved", "broadcast"]
    waiting = first if road.state(first) == "approved" else second
    assert {type(error) for error in road.told} == {TurnTaken}
    assert len(road.rows("SELECT id FROM outbox WHERE topic = 'withdrawals.compose' AND done_at IS NULL")) == 1
    road.carry_all()
    road.settle()
    # Its turn comes with the block: what went before it is seen and need not be final.
    assert road.state(waiting) == "broadcast"
    assert road.attempts(waiting)[0].claims == (f"{road.at['acme']}#1",)
    road.pay_out()
    assert [road.state(item) for item in (first, second)] == ["completed"] * 2
    road.check()


def test_two_workers_cannot_take_one_turn(road: Turns) -> None:
    asked = [road.ask("acme", ETHER // 4) for _ in range(2)]
    planned = [road.reader.plan(road.candidates(item), rules=road.rules) for item in asked]
    assert planned[0].claims == planned[1].claims
    start, ends = Barrier(2), []

    def attach(number: int) -> None:
        start.wait()
        try:
            ends.append(road.attach(planned[number]))
        except ClaimTaken:
            ends.append("taken")

    threads = [Thread(target=attach, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["awaiting_signatures", "taken"]
    road.pay_out()
    road.pay_out()
    assert [road.state(item) for item in asked] == ["completed"] * 2
    road.check()


def test_a_plan_of_a_used_turn_is_not_composed(road: Turns) -> None:
    first, second = road.ask("acme", ETHER // 4), road.ask("acme", ETHER // 5)
    late = road.reader.plan(road.candidates(second), rules=road.rules)
    road.compose(first.id)
    road.cosign()
    road.deliver(but="withdrawals.compose")
    road.carry(road.attempts(first)[0])
    road.mine(DEPTH)
    assert road.state(first) == "completed"
    with pytest.raises(ClaimTaken, match="used meanwhile"):
        road.attach(late)
    road.pay_out()
    assert road.attempts(second)[0].claims == (f"{road.at['acme']}#1",)
    road.check()


def test_a_pool_pays_from_any_account_that_covers_it(anvil: Anvil, database: FreshDatabase) -> None:
    road = Turns(database, anvil)
    for client in ("birch", "cedar", "dune"):
        road.open(client, branch=0, segregation="omnibus")
    road.fund("birch", ETHER)
    road.fund("cedar", 5 * ETHER)
    road.fund("dune", 9 * ETHER)
    small, large = road.ask("birch", ETHER // 2), road.ask("dune", 4 * ETHER)
    road.settle()
    assert [road.attempts(item)[0].turns[0].account for item in (small, large)] == [
        road.at["birch"],
        road.at["cedar"],
    ]
    # The account need not be the client's whose money it is: birch's own is busy.
    other = road.ask("birch", ETHER // 4)
    road.settle()
    assert road.attempts(other)[0].turns[0].account == road.at["dune"]
    spread = road.ask("dune", 5 * ETHER)
    busy = road.candidates(spread)
    with pytest.raises(TurnTaken):
        road.reader.plan(busy, rules=road.rules)
    scarce = replace(busy, order=replace(busy.order, units=10 * ETHER))
    with pytest.raises(NothingFree, match=f"the most is {9 * ETHER}, all together {15 * ETHER}"):
        road.reader.plan(scarce, rules=road.rules)
    road.pay_out()
    road.pay_out()
    assert [road.state(item) for item in (small, large, other, spread)] == ["completed"] * 4
    road.check()


def test_only_what_is_credited_is_spent(road: Turns) -> None:
    """What waits for depth is not the client's yet, though it lies in the account."""
    road.open("birch")
    road.fund("birch", ETHER)
    road.anvil.transact(road.at["birch"], ETHER)
    road.follow()
    (account,) = road.candidates(road.ask("birch", ETHER // 2)).accounts
    assert (account.units, account.next_turn, account.busy) == (ETHER, 0, False)
    road.mine(DEPTH)
    (account,) = road.candidates(road.withdrawals()[-1]).accounts
    assert account.units == 2 * ETHER


def test_an_account_whose_arrivals_are_not_taken_up_is_left_out(road: Turns) -> None:
    """A reorg may have put another deposit in the place of a credited one: until that is read, nothing is sure."""
    asked = road.ask("acme", ETHER // 2)
    assert len(road.candidates(asked).accounts) == 1
    road.anvil.transact(road.at["acme"], ETHER)
    road.scan()
    assert road.candidates(asked).accounts == ()
    with pytest.raises(NothingFree):
        road.compose(asked.id)
    road.follow()
    assert [account.units for account in road.candidates(asked).accounts] == [2 * ETHER]
    road.pay_out()
    assert road.state(asked) == "completed"


def test_a_turn_the_node_knows_of_and_we_do_not_is_waited_for(road: Turns) -> None:
    first, second = road.ask("acme", ETHER // 4), road.ask("acme", ETHER // 5)
    road.compose(first.id)
    waiting = road.candidates(second)
    idle = replace(waiting, accounts=tuple(replace(item, busy=False) for item in waiting.accounts))
    road.settle()
    road.carry(road.attempts(first)[0])
    with pytest.raises(TurnUnknown, match="the chain counts turn 1 and we 0"):
        road.reader.plan(idle, rules=road.rules)
    road.pay_out()
    road.pay_out()
    road.check()


@pytest.mark.parametrize("moment", ["signed", "sent", "before it was handed in"])
def test_a_stranger_who_relays_our_payment_has_paid_for_us(road: Turns, moment: str) -> None:
    asked = road.ask("acme", ETHER // 2)
    road.anvil.open_account(STRANGER)
    if moment == "before it was handed in":
        road.settle(cosigners=())
        road.carry_raw(road.finished_elsewhere(asked), sender=STRANGER)
    else:
        road.settle(cosigners=())
        road.cosign()
        if moment == "sent":
            road.deliver()
        else:
            road.deliver(but="withdrawals.broadcast")
        assert road.state(asked) == ("broadcast" if moment == "sent" else "signed")
        road.carry(road.attempts(asked)[0], sender=STRANGER)
    road.settle()
    assert road.state(asked) == "confirmed"
    road.mine(DEPTH)
    road.settle()
    assert road.state(asked) == "completed"
    assert road.balance("acme") == (3 * ETHER // 2, 0)
    road.check()


@pytest.mark.parametrize("decimals", [0, 2, 6, 18, 24])
@plays("P-013")
def test_p013_tokens_of_any_decimals_come_and_go_by_the_base_unit(build: Build, anvil: Anvil, decimals: int) -> None:
    token = deploy_token(anvil, decimals=decimals)
    road = build(TOK=(token, decimals))
    units = 12_345 * 10**decimals + (1 if decimals else 0)
    road.fund("acme", units, "TOK")
    assert road.balance("acme", "TOK") == (units, 0)
    asked = road.ask("acme", units - 1, "TOK")
    road.pay_out()
    assert road.state(asked) == "completed"
    assert road.received(asked) == units - 1
    assert road.balance("acme", "TOK") == (1, 0)
    road.check()


def test_a_token_that_answers_nothing_is_paid_out(build: Build, anvil: Anvil) -> None:
    token = deploy_token(anvil, "NoReturnToken")
    road = build(ODD=(token, 6))
    road.fund("acme", 1_000, "ODD")
    asked = road.ask("acme", 400, "ODD")
    road.pay_out()
    assert (road.state(asked), road.received(asked)) == ("completed", 400)
    assert road.balance("acme", "ODD") == (600, 0)
    road.check()


@pytest.mark.parametrize("trouble", ["paused", "payee blocked", "payer blocked", "says no"])
@plays("P-015")
def test_p015_what_would_fail_fails_before_anybody_signs(build: Build, anvil: Anvil, trouble: str) -> None:
    name = {"paused": "PausableToken", "says no": "FalseToken"}.get(trouble, "BlockingToken")
    token = deploy_token(anvil, name)
    road = build(ODD=(token, 6))
    if trouble == "says no":
        token.transact("setMoves", True)
    road.fund("acme", 1_000, "ODD")
    asked = road.ask("acme", 400, "ODD")
    if trouble == "paused":
        token.transact("setPaused", True)
    elif trouble == "says no":
        token.transact("setMoves", False)
    else:
        token.transact("setBlocked", asked.destination if trouble == "payee blocked" else road.at["acme"], True)
    road.pay_out()
    assert road.state(asked) == "failed"
    assert [step.event for step in road.steps(asked)][-1] == "fail"
    assert (road.attempts(asked), road.tries) == ([], [])
    assert road.balance("acme", "ODD") == (1_000, 0)
    road.check()


def test_says_why_it_would_fail(build: Build, anvil: Anvil) -> None:
    token = deploy_token(anvil, "PausableToken")
    road = build(ODD=(token, 6))
    road.fund("acme", 1_000, "ODD")
    asked = road.ask("acme", 400, "ODD")
    token.transact("setPaused", True)
    with pytest.raises(WouldFail, match="paused"):
        road.compose(asked.id)


def test_an_execution_that_a_reorg_removes_is_sent_again(road: Turns) -> None:
    asked = road.ask("acme", ETHER // 2)
    road.settle()
    road.carry(road.attempts(asked)[0])
    road.follow()
    assert road.state(asked) == "confirmed"
    sent = len(road.tries)
    road.anvil.reorg(1)
    road.anvil.mine(1)
    road.settle()
    assert road.state(asked) == "broadcast"
    assert len(road.tries) == sent + 1
    assert road.balance("acme") == (3 * ETHER // 2, ETHER // 2)
    road.pay_out()
    assert road.state(asked) == "completed"
    assert [step.event for step in road.steps(asked)][-3:] == ["reorganise", "confirm", "complete"]
    road.check()


def test_a_payment_that_was_final_is_undone_and_paid_again(road: Turns) -> None:
    asked = road.ask("acme", ETHER // 2)
    road.settle()
    road.carry(road.attempts(asked)[0])
    road.anvil.mine(DEPTH - 1)
    road.settle()
    assert road.state(asked) == "completed"
    later = road.ask("acme", ETHER // 4)
    road.settle()
    assert road.attempts(later)[0].claims == (f"{road.at['acme']}#1",)
    road.anvil.reorg(DEPTH)
    road.anvil.mine(1)
    road.settle()
    assert road.state(asked) == "broadcast"
    assert road.balance("acme") == (5 * ETHER // 4, 3 * ETHER // 4)
    road.carry(road.attempts(asked)[0])
    road.pay_out()
    assert [road.state(item) for item in (asked, later)] == ["completed"] * 2
    road.check()


def test_a_replacement_is_not_another_spend(road: Turns) -> None:
    asked = road.ask("acme", ETHER // 2)
    road.settle()
    with pytest.raises(NothingToRaise), road.db.unit() as unit:
        withdrawals.request_replacement(
            unit.session, withdrawal=asked.id, fee_rate=10**9, actor="alice", correlation_id="t", now=unit.now
        )


def test_how_spends_ended_bears_every_completed_payment(road: Turns, database: FreshDatabase) -> None:
    """I6 where the chain says how a spend ended: told otherwise, the database is caught lying."""
    paid, other = road.ask("acme", ETHER // 2), road.ask("acme", ETHER // 4)
    road.pay_out()
    road.pay_out()
    road.check()
    engine = create_engine(database.superuser_url)
    for statement, said in (
        ("UPDATE outcomes SET succeeded = false", "is completed and no spend of it ended well"),
        ("DELETE FROM outcomes", "is completed and no spend of it ended well"),
        ("UPDATE outcomes SET locator = '\\x01'", "is completed and no spend of it ended well"),
        ("UPDATE outcomes SET removed_at = now()", "is completed and no spend of it ended well"),
        (
            f"UPDATE attempts SET withdrawal_id = '{paid.id}', sequence = 9 WHERE withdrawal_id = '{other.id}'",
            "has 2 spends that ended well",
        ),
        (f"UPDATE withdrawals SET state = 'failed' WHERE id = '{other.id}'", "ended unpaid and its payment ended well"),
    ):
        with engine.connect() as connection, connection.begin() as unit:
            connection.execute(text("SET session_replication_role = replica"))
            assert connection.execute(text(statement)).rowcount != 0, statement
            session = Session(connection, join_transaction_mode="rollback_only")
            assert any(said in each for each in check_invariants(session).found["I6"]), statement
            unit.rollback()
    engine.dispose()


def test_a_payment_is_final_when_the_node_says_so(road: Turns) -> None:
    road.rules = replace(road.rules, finality=Finality.FINALIZED, tiers=((None, 1),))
    asked = road.ask("acme", ETHER // 2)
    road.settle()
    height = int(road.carry_all()[0]["blockNumber"], 16)
    road.follow()
    assert road.state(asked) == "confirmed", "one confirmation is not what was asked for"
    for _ in range(10):
        road.anvil.mine(1)
        road.follow()
        final = road.reader.finalized_height()
        assert final is not None
        assert road.state(asked) == ("completed" if final >= height else "confirmed")
    assert final >= height
    road.check()


def test_an_amount_is_deep_by_its_own_asset(road: Turns) -> None:
    rules: SpendRules = replace(road.rules, asset_tiers={"token": ((10, 1), (None, 9))})
    assert [rules.required_depth(units, asset=road.asset("ETH")) for units in (1, 10)] == [DEPTH, DEPTH]
    assert [rules.required_depth(units, asset="token") for units in (9, 10)] == [1, 9]


def test_a_deposit_that_a_reorg_takes_while_its_payment_is_signed_stops_the_client(road: Turns) -> None:
    deposited = road.anvil.height()
    road.open("birch")
    road.fund("birch", ETHER)
    asked = road.ask("birch", ETHER)
    road.settle()
    assert road.state(asked) == "broadcast"
    road.anvil.reorg(road.anvil.height() - deposited)
    road.anvil.mine(DEPTH)
    road.settle()
    with pytest.raises(NodeRefused):
        road.carry(road.attempts(asked)[0])
    # What is signed may still be paid: the money it takes stays set aside, and is owed.
    assert (road.state(asked), road.balance("birch")) == ("broadcast", (0, ETHER))
    assert road.rows("SELECT status FROM clients WHERE id = 'birch'")[0][0] == "frozen"
    road.check()
