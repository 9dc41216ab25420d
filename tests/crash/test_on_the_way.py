"""What is signed and waits to be carried: given up, frozen, restored or undone meanwhile, on the real parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import text

from custody.addresses.stocking import fill_stock
from custody.audit import queries as audit
from custody.chains.ethereum.payer import call_of
from custody.chains.ethereum.spending import EthereumSpending
from custody.cli import payer
from custody.clients import operations as clients
from custody.evidence.requests import RespendRequest
from custody.kernel.errors import InvalidInput, Unavailable
from custody.movements import scan as movements
from custody.openings import operations as openings
from custody.relaying import queries as relaying
from custody.relaying.model import Load
from custody.relaying.operations import PayerStopped
from custody.restore import operations as restore
from custody.trust.operations import in_force
from custody.withdrawals import operations as withdrawals
from custody.withdrawals.model import Withdrawal
from custody.withdrawals.states import State
from tests.cosigner.safe_builders import NATIVE, SAFES
from tests.crash.ether import CLIENT, DEPTH, ETHER, SMALL_WEI, EtherJourney, living_on_ether
from tests.crash.yard import Yard
from workers import carrying
from workers.tasks.withdrawals import rebroadcast


@pytest.fixture
def journey(yard: Yard) -> Iterator[EtherJourney]:
    """One client and the payer with ether, and nothing running."""
    with living_on_ether(yard) as live:
        journey = EtherJourney(live)
        journey.fund()
        yield journey


def waiting_payment(journey: EtherJourney) -> Withdrawal:
    """A payment that is signed, and that the payer cannot carry yet."""
    journey.drain_payer()
    asked = pay(journey)
    assert see(journey, asked).state == State.SIGNED
    return asked


def see(journey: EtherJourney, asked: Withdrawal) -> Withdrawal:
    return next(each for each in journey.house.withdrawals() if each.id == asked.id)


def load_of(journey: EtherJourney, asked: Withdrawal, *, attempt: int = 0) -> Load:
    with journey.house.db.unit() as unit:
        found = relaying.load(unit.session, chain=NATIVE.chain, spend=journey.attempts(asked)[attempt].spend)
    assert found is not None
    return found


def give_up(journey: EtherJourney, asked: Withdrawal) -> None:
    """Ask for it as the exchange does, and have people agree."""
    house = journey.house
    request = RespendRequest(
        requester="exchange",
        client=CLIENT,
        of=asked.digest,
        asset=asked.asset,
        amount=asked.units,
        max_fee=ETHER // 100,
        purpose="given up",
        not_after=house.now() + timedelta(days=1),
        idempotency_key="give-up",
    )
    with house.db.unit() as unit:
        filed = withdrawals.request_respend(
            unit.session,
            request=request,
            signature=house.signed(request),
            trust=in_force(unit.session),
            correlation_id="test",
            now=unit.now,
        )
    for person in ("alice", "bob"):
        house.approve(filed.intent.digest, person)
    deliver(journey)
    assert see(journey, asked).state == State.CANCELLING


def deliver(journey: EtherJourney) -> None:
    """Handle whatever is due once time has passed; what must wait stays."""
    with journey.house.db.unit() as unit:
        unit.session.execute(text("UPDATE outbox SET due_at = created_at, leased_until = NULL WHERE done_at IS NULL"))
    while True:
        try:
            if not journey.live.deliver_one():
                return
        except Unavailable:
            continue


def scan(journey: EtherJourney) -> None:
    """Read the chain, bring on what is carried, and handle what follows."""
    while follow_chain(journey):
        deliver(journey)


def follow_chain(journey: EtherJourney) -> bool:
    """As the schedule does it; whether anything changed."""
    house, here = journey.house, journey.house.runtime.only
    before = head(journey)
    movements.scan(here.node, house.db, chain=here.chain, assets=here.assets, start_height=journey.live.start_height)
    carrying.follow(house.runtime, here)
    deliver(journey)
    return head(journey) != before


def head(journey: EtherJourney) -> int:
    with journey.house.db.unit() as unit:
        return audit.head(unit.session).sequence


def pay(journey: EtherJourney) -> Withdrawal:
    """A payment that a quorum signed, offered to the payer."""
    asked = journey.house.withdraw(journey.request(SMALL_WEI))
    deliver(journey)
    journey.live.sign_here()
    deliver(journey)
    return asked


def test_what_is_given_up_while_it_waits_is_not_carried(journey: EtherJourney) -> None:
    asked = waiting_payment(journey)
    give_up(journey, asked)
    journey.fund_payer()
    scan(journey)
    assert journey.node.balance_wei(journey.destination) == 0
    assert load_of(journey, asked).waiting_for == "a word that it may be sent"
    journey.live.sign_here()
    deliver(journey)
    journey.live.chain.mine(DEPTH)
    scan(journey)
    assert see(journey, asked).state == State.CANCELLED
    assert journey.node.balance_wei(journey.destination) == 0
    assert journey.house.available(CLIENT) == journey.deposited
    journey.house.expect_whole()


def test_what_rides_unmined_and_is_given_up_leaves_its_number_to_nothing(journey: EtherJourney) -> None:
    with journey.node.mining_by_hand():
        asked = pay(journey)
        assert see(journey, asked).state == State.BROADCAST
        give_up(journey, asked)
        scan(journey)
        journey.live.chain.mine()
        assert journey.node.balance_wei(journey.destination) == 0
    journey.live.sign_here()
    deliver(journey)
    scan(journey)
    journey.live.chain.mine(DEPTH)
    scan(journey)
    assert see(journey, asked).state == State.CANCELLED
    assert journey.node.balance_wei(journey.destination) == 0
    journey.house.expect_whole()


def test_a_reorg_nobody_has_taken_up_takes_nothing_off_its_carriage(journey: EtherJourney) -> None:
    asked = pay(journey)
    scan(journey)
    assert see(journey, asked).state == State.CONFIRMED
    here = journey.house.runtime.only
    with journey.node.mining_by_hand():
        journey.node.reorg(1)
        movements.scan(
            here.node, journey.house.db, chain=here.chain, assets=here.assets, start_height=journey.live.start_height
        )
        carrying.follow(journey.house.runtime, here)
        assert journey.bids() == 1
    journey.live.chain.mine(DEPTH)
    scan(journey)
    assert see(journey, asked).state == State.COMPLETED
    assert journey.node.balance_wei(journey.destination) == SMALL_WEI
    journey.house.expect_whole()


def test_what_is_frozen_while_it_waits_is_not_carried(journey: EtherJourney) -> None:
    asked = waiting_payment(journey)
    with journey.house.db.unit() as unit:
        clients.freeze(unit.session, client=CLIENT, reason="test", actor="alice", now=unit.now)
    journey.fund_payer()
    scan(journey)
    assert (see(journey, asked).state, journey.node.balance_wei(journey.destination)) == (State.SIGNED, 0)


def test_nothing_is_carried_from_a_restored_database_before_it_was_read(journey: EtherJourney) -> None:
    waiting_payment(journey)
    with journey.house.db.unit() as unit:
        restore.declare(unit.session, reason="test", actor="alice", now=unit.now)
    journey.fund_payer()
    carrying.follow(journey.house.runtime, journey.house.runtime.only)
    assert journey.node.balance_wei(journey.destination) == 0


def test_a_strangers_carriage_that_no_block_we_read_shows_is_done_again(
    journey: EtherJourney, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = waiting_payment(journey)
    spent = journey.attempts(asked)[0]
    assert spent.final is not None
    execution = EthereumSpending(NATIVE.chain).read_execution(spent.final)
    call = call_of(execution, deploying=True)
    journey.fund_payer()
    journey.node.transact(call.to, data=call.data)
    # The node says that its turn is used up, of a block that nobody has read.
    deliver(journey)
    assert see(journey, asked).state == State.BROADCAST
    journey.node.reorg(1)
    assert journey.node.balance_wei(journey.destination) == 0
    scan(journey)
    monkeypatch.setattr("workers.unit.runtime", lambda: journey.house.runtime)
    rebroadcast.run()
    deliver(journey)
    journey.live.chain.mine(DEPTH)
    scan(journey)
    assert see(journey, asked).state == State.COMPLETED
    assert journey.node.balance_wei(journey.destination) == SMALL_WEI
    journey.house.expect_whole()


def test_a_pool_pays_out_of_another_clients_safe_that_no_keyholder_heard_of(yard: Yard) -> None:
    with living_on_ether(yard) as live:
        journey = EtherJourney(live)
        safes = {client: open_in_pool(journey, client) for client in ("birch", "cedar")}
        journey.fund_payer()
        journey.node.transact(safes["birch"], ETHER)
        journey.node.transact(safes["cedar"], ETHER)
        live.chain.mine(DEPTH)
        scan(journey)
        for number in range(2):
            request = journey.house.withdrawal_request(
                "birch", ETHER // 3, max_fee=ETHER // 100, asset=NATIVE.id, destination=journey.destination,
                idempotency_key=f"pay-{number}",
            )  # fmt: skip
            journey.house.withdraw(request)
        deliver(journey)
        paid_by = {journey.attempts(each)[0].turns[0].account for each in journey.house.withdrawals()}
        assert paid_by == set(safes.values())
        live.sign_here()
        deliver(journey)
        live.chain.mine(DEPTH)
        scan(journey)
        assert [each.state for each in journey.house.withdrawals()] == [State.COMPLETED] * 2
        live.expect_sound()


def open_in_pool(journey: EtherJourney, client: str) -> str:
    """A client of the pool, with its address."""
    house = journey.house
    asked = house.request_opening(house.opening_request(client, branch=0, keyset=SAFES, segregation="omnibus"))
    house.approve(asked.digest, "alice")
    with house.db.unit() as unit:
        openings.complete(unit.session, digest=asked.digest, now=unit.now)
    house.vaults[client] = f"{SAFES}/0"
    deliver(journey)
    where = {"vault": house.vaults[client], "target": 1, "seal_key": house.runtime.seal_key, "kept_for": client}
    fill_stock(house.db, house.runtime.only.node, **where)
    return house.address(client).address


def test_an_operator_lets_a_stopped_payer_go_on(
    journey: EtherJourney, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("custody.cli.house.runtime", lambda: journey.house.runtime)
    asked = waiting_payment(journey)
    journey.fund_payer()
    journey.node.open_account(journey.payer)
    journey.node.transact(journey.payer, sender=journey.payer)
    with suppress(PayerStopped):
        scan(journey)
    assert see(journey, asked).state == State.SIGNED
    assert "payer-stopped" in journey.live.alarms()
    payer.listed()
    assert "none of ours" in capsys.readouterr().out
    with pytest.raises(PayerStopped, match="not below ours"):
        payer.resume(journey.payer, chain="anvil", next_number=-1)
    payer.resume(journey.payer, chain="anvil", next_number=1)
    carrying.follow(journey.house.runtime, journey.house.runtime.only)
    assert journey.node.balance_wei(journey.destination) == SMALL_WEI


def test_an_operator_has_a_stranded_payment_carried_once_more(
    journey: EtherJourney, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custody.cli.house.runtime", lambda: journey.house.runtime)
    asked = waiting_payment(journey)
    with pytest.raises(InvalidInput, match="waits for a person"):
        payer.retry(asked.id)
    with journey.house.db.unit() as unit:
        unit.session.execute(text("UPDATE loads SET state = 'stuck', tries = 3"))
    journey.fund_payer()
    deliver(journey)
    assert journey.node.balance_wei(journey.destination) == 0
    payer.retry(asked.id)
    scan(journey)
    assert journey.node.balance_wei(journey.destination) == SMALL_WEI
