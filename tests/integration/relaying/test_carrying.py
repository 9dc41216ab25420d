"""Signed spends are carried onto a real chain: numbered, stored before they are sent, mined, booked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from custody.chains.port import BroadcastResult
from custody.relaying import effect, operations
from custody.relaying.effect import CannotCarryYet
from custody.relaying.states import CarriageState, LoadState
from demo.evm import contracts
from tests.chains.ethereum.conftest import Limited
from tests.support.lanes import ANVIL, ETHER, GWEI, RelayHouse, Signed, expect_paid, payee

SEVERAL = {f"client{number}": ("segregated", number) for number in range(1, 11)}


def gas(receipt: dict[str, Any] | None) -> int:
    assert receipt is not None
    return int(receipt["gasUsed"], 16)


def cost(receipt: dict[str, Any] | None) -> int:
    assert receipt is not None
    return gas(receipt) * int(receipt["effectiveGasPrice"], 16)


def test_carries_one_spend_from_its_number_to_the_books(house: RelayHouse) -> None:
    signed = house.signed("acme")
    assert house.send(signed).result is BroadcastResult.ACCEPTED
    (carriage,) = house.carriages()
    assert (carriage.number, carriage.state) == (0, CarriageState.SENT)
    receipt = house.anvil.receipt(carriage.variants[0].txid)
    assert gas(receipt) <= 400_000
    expect_paid(house, signed)
    house.settle()
    (carriage,) = house.carriages()
    assert (carriage.state, carriage.fee_units) == (CarriageState.CONFIRMED, cost(receipt))
    assert house.load(signed).state is LoadState.ENDED
    assert house.gas_of(signed) == cost(receipt)
    assert (house.balance("capital"), house.balance("network_fees")) == (10 * ETHER, -cost(receipt))
    house.expect_payer_balanced()


def test_offering_again_at_any_time_sends_the_same_bytes(house: RelayHouse) -> None:
    signed = house.signed("acme")
    with house.anvil.mining_by_hand():
        house.send(signed)
        assert house.send(signed).result is BroadcastResult.ALREADY_KNOWN
        house.follow()
    house.settle()
    assert house.send(signed).result is BroadcastResult.ALREADY_KNOWN
    assert [len(each.variants) for each in house.carriages()] == [1]
    assert house.count() == 1
    expect_paid(house, signed)


def test_ten_clients_ride_together_for_less(relay_house: Callable[..., RelayHouse]) -> None:
    house = relay_house(clients=SEVERAL)
    house.use(most_together=1)
    for client in SEVERAL:
        house.send(house.signed(client))
    house.follow()
    alone = []
    for client in SEVERAL:
        house.send(house.signed(client, number=1))
        alone.append(house.anvil.receipt(house.carriages()[-1].variants[0].txid))
    house.use(most_together=10)
    spends = [house.signed(client, number=2) for client in SEVERAL]
    with house.db.unit() as unit:
        for each in spends:
            operations.offer(
                unit.session, chain=ANVIL.chain, spend=each.spend, final=each.raw, client=each.client,
                ceiling_units=0, now=unit.now,
            )  # fmt: skip
    house.follow()
    shared = house.carriages()[-1]
    receipt = house.anvil.receipt(shared.variants[0].txid)
    ten = sum(gas(each) for each in alone)
    saved = 100 - 100 * gas(receipt) // ten
    print(f"ten clients: {ten} gas in ten transactions, {gas(receipt)} in one, {saved} % less")  # noqa: T201
    assert gas(receipt) <= ten * 85 // 100
    house.settle()
    assert sorted(shared.variants[0].spends) == sorted(each.spend for each in spends)
    costs = [house.gas_of(each) for each in spends]
    assert sum(each or 0 for each in costs) == cost(receipt)
    for client in SEVERAL:
        assert house.anvil.balance_wei(payee(client)) == 3 * 10**15
    house.expect_payer_balanced()


def test_one_that_fails_among_several_takes_nobody_with_it(relay_house: Callable[..., RelayHouse]) -> None:
    house = relay_house()
    for client in house.clients:
        house.send(house.signed(client))
    house.follow()
    good, bad = house.signed("acme", number=1), house.signed("birch", number=1)
    with house.db.unit() as unit:
        for each in (good, bad):
            operations.offer(
                unit.session, chain=ANVIL.chain, spend=each.spend, final=each.raw, client=each.client,
                ceiling_units=0, now=unit.now,
            )  # fmt: skip
    with house.anvil.mining_by_hand():
        house.follow()
        house.anvil.rpc("anvil_setBalance", house.safes["birch"], "0x0")
        house.anvil.mine()
    house.follow()
    assert (house.load(good).state, house.load(bad).state) == (LoadState.ENDED, LoadState.WAITING)
    house.anvil.rpc("anvil_setBalance", house.safes["birch"], hex(ETHER))
    house.follow()
    house.settle()
    expect_paid(house, good, times=2)
    expect_paid(house, bad, times=2)


def test_who_burns_what_the_others_needed_does_it_once(relay_house: Callable[..., RelayHouse]) -> None:
    house = relay_house()
    for client in house.clients:
        house.send(house.signed(client))
    house.follow()
    good, bad = house.signed("acme", number=1), house.signed("birch", number=1)
    offer(house, bad, good)
    with house.anvil.mining_by_hand():
        house.follow()
        for client in house.clients:
            house.anvil.rpc("anvil_setBalance", house.safes[client], "0x0")
        house.anvil.mine()
        for client in house.clients:
            house.anvil.rpc("anvil_setBalance", house.safes[client], hex(ETHER))
        house.follow()
        assert [each.variants[0].spends for each in house.carriages()[-2:]] == [(bad.spend,), (good.spend,)]
    house.settle()
    expect_paid(house, good, times=2)


def test_what_cannot_go_does_not_stand_before_what_can(house: RelayHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effect, "LOADS_AT_ONCE", 2)
    early = [house.signed("acme", number=number) for number in range(1, 4)]
    offer(house, *early, house.signed("birch"))
    house.follow()
    expect_paid(house, house.signed("birch"))


def offer(house: RelayHouse, *spends: Signed) -> None:
    """Hand them in; nothing is carried yet."""
    for each in spends:
        with house.db.unit() as unit:
            operations.offer(
                unit.session, chain=ANVIL.chain, spend=each.spend, final=each.raw, client=each.client,
                ceiling_units=0, now=unit.now,
            )  # fmt: skip


def test_executes_alone_where_a_stranger_deployed_the_safe(house: RelayHouse) -> None:
    signed = house.signed("acme")
    _deploy(house, signed.raw)
    house.send(signed)
    receipt = house.anvil.receipt(house.carriages()[0].variants[0].txid)
    assert gas(receipt) < 150_000
    expect_paid(house, signed)


def test_a_race_lost_to_a_stranger_who_deploys_is_carried_once_more(house: RelayHouse) -> None:
    signed = house.signed("acme")
    with house.anvil.mining_by_hand():
        house.send(signed)
        sent = house.carriages()[0].variants[0]
        # The stranger's is mined first: ours is taken out of the pool and comes back behind it.
        house.anvil.rpc("anvil_dropTransaction", sent.txid)
        _deploy(house, signed.raw, mine=True)
        house.anvil.rpc("eth_sendRawTransaction", "0x" + sent.raw.hex())
        house.anvil.mine()
    receipt = house.receipt(sent.txid)
    assert receipt is not None
    assert receipt["status"] == "0x0"
    assert house.anvil.balance_wei(payee("acme")) == 0
    house.follow()
    house.settle()
    expect_paid(house, signed)
    assert [each.number for each in house.carriages()] == [0, 1]
    assert (house.load(signed).tries, house.load(signed).state) == (1, LoadState.ENDED)
    assert house.gas_of(signed) == sum(each.fee_units or 0 for each in house.carriages())
    house.expect_payer_balanced()


def test_a_stranger_who_carries_it_first_has_paid_for_it(house: RelayHouse) -> None:
    first, second = house.signed("acme"), house.signed("acme", number=1)
    house.send(first)
    call = house.lane().payer.draft
    (prospect,) = house.node.examine([second.raw], account=house.key.account)
    drafted = call([(second.raw, prospect)])
    house.anvil.transact(drafted.to, data=drafted.data)
    assert house.send(second).result is BroadcastResult.ALREADY_KNOWN
    assert house.load(second).state is LoadState.ENDED
    assert house.count() == 1
    assert house.gas_of(second) is None


def test_what_would_fail_is_not_sent_and_burns_no_gas(house: RelayHouse) -> None:
    house.anvil.rpc("anvil_setBalance", house.safes["acme"], "0x0")
    signed = house.signed("acme")
    for _ in range(3):
        with pytest.raises(CannotCarryYet, match="would fail"):
            house.send(signed)
    assert house.carriages() == []
    assert house.count() == 0
    assert house.alarms("spend-would-fail") == 1
    house.anvil.rpc("anvil_setBalance", house.safes["acme"], hex(ETHER))
    house.send(signed)
    expect_paid(house, signed)


class Hopeful(Limited):
    """A node that finds everything possible."""

    def batch(self, calls: Any, *, timeout_seconds: float | None = None) -> list[Any]:
        answers = super().batch(calls, timeout_seconds=timeout_seconds)
        return [
            hex(420_000) if method == "eth_estimateGas" else answer
            for (method, _), answer in zip(calls, answers, strict=True)
        ]


def test_what_reverts_again_and_again_waits_for_a_person(relay_house: Callable[..., RelayHouse]) -> None:
    house = relay_house()
    hopeful = RelayHouse(
        house.db, house.anvil, keys=house.keys, payer_secret=house.payer_secret, rpc=Hopeful(house.anvil.url)
    )
    house.anvil.rpc("anvil_setBalance", house.safes["acme"], "0x0")
    signed = house.signed("acme")
    hopeful.send(signed)
    for _ in range(6):
        hopeful.follow()
    assert len(house.carriages()) == house.count() == 3
    assert house.load(signed).state is LoadState.STUCK
    assert house.alarms("spend-not-carried") == 1
    with pytest.raises(CannotCarryYet, match="a person"):
        hopeful.send(signed)
    house.anvil.rpc("anvil_setBalance", house.safes["acme"], hex(ETHER))
    with house.db.unit() as unit:
        operations.reopen(unit.session, chain=ANVIL.chain, spend=signed.spend, actor="alice", now=unit.now)
    house.follow()
    house.settle()
    expect_paid(house, signed)
    assert house.load(signed).state is LoadState.ENDED


def test_a_spend_waits_for_the_one_before_it(house: RelayHouse) -> None:
    second = house.signed("acme", number=1)
    with pytest.raises(CannotCarryYet, match="before it"):
        house.send(second)
    house.send(house.signed("acme"))
    house.follow()
    house.settle()
    expect_paid(house, second, times=2)


def test_a_carriage_a_reorganisation_took_comes_back_under_its_number(house: RelayHouse) -> None:
    signed = house.signed("acme")
    house.send(signed)
    house.follow()
    assert house.carriages()[0].state is CarriageState.MINED
    assert house.balance("network_fees") < 0
    house.anvil.reorg(1)
    house.scan()
    house.expect_payer_balanced()
    house.follow()
    assert house.balance("network_fees") == 0
    assert house.carriages()[0].state is CarriageState.SENT
    house.settle()
    expect_paid(house, signed)
    assert [(each.number, each.state) for each in house.carriages()] == [(0, CarriageState.CONFIRMED)]
    house.expect_payer_balanced()


def test_a_confirmed_carriage_taken_by_a_deep_reorganisation_is_unbilled(
    relay_house: Callable[..., RelayHouse],
) -> None:
    house = relay_house()
    house.use(fees_billed=True)
    signed = house.signed("acme")
    house.send(signed, ceiling_units=ETHER)
    house.settle()
    fee = house.gas_of(signed)
    assert fee is not None
    assert (house.balance("receivable", "acme"), house.balance("network_fees")) == (-fee, 0)
    house.anvil.reorg(4)
    house.anvil.mine()
    house.follow()
    assert (house.balance("receivable", "acme"), house.balance("network_fees")) == (0, 0)
    house.settle()
    house.settle()
    fee = house.gas_of(signed)
    assert fee is not None
    assert (house.balance("receivable", "acme"), house.balance("network_fees")) == (-fee, 0)
    expect_paid(house, signed)
    house.expect_payer_balanced()


def test_bills_no_more_than_the_client_agreed_to(relay_house: Callable[..., RelayHouse]) -> None:
    house = relay_house()
    house.use(fees_billed=True)
    signed = house.signed("acme")
    house.send(signed, ceiling_units=1_000)
    house.settle()
    fee = house.gas_of(signed)
    assert fee is not None
    assert fee > 1_000
    assert (house.balance("receivable", "acme"), house.balance("network_fees")) == (-1_000, 1_000 - fee)
    shown = house.shown(signed)
    assert shown["gas"]["base_units"] == str(fee)
    assert shown["gas"]["decimal"] == f"{fee / ETHER:.18f}"
    assert {who: part["base_units"] for who, part in shown["gas_borne_by"].items()} == {
        "client": "1000",
        "house": str(fee - 1_000),
    }


def test_money_the_payer_had_before_is_capital(relay_house: Callable[..., RelayHouse]) -> None:
    house = relay_house(funded_wei=3 * ETHER)
    house.anvil.mine(20)
    house.anvil.transact(house.key.account, ETHER)
    house.scan()
    house.follow()
    house.follow()
    assert house.balance("capital") == 4 * ETHER
    house.anvil.transact(house.key.account, ETHER)
    house.follow()
    assert house.balance("capital") == 5 * ETHER
    house.expect_payer_balanced()


def test_says_that_it_runs_low_once_and_forgets_it_when_topped_up(relay_house: Callable[..., RelayHouse]) -> None:
    house = relay_house(funded_wei=ETHER)
    house.use(low_units=2 * ETHER)
    for _ in range(3):
        house.follow()
    assert house.alarms("payer-low") == 1
    house.send(house.signed("acme"))
    house.anvil.transact(house.key.account, 3 * ETHER)
    house.follow()
    house.use(low_units=50 * ETHER)
    house.follow()
    assert house.alarms("payer-low") == 2


def test_a_payer_with_too_little_gives_no_number(relay_house: Callable[..., RelayHouse]) -> None:
    house = relay_house(funded_wei=1_000)
    signed = house.signed("acme")
    with pytest.raises(CannotCarryYet, match="topped up"):
        house.send(signed)
    assert house.carriages() == []
    house.anvil.transact(house.key.account, ETHER)
    house.follow()
    house.settle()
    expect_paid(house, signed)


def test_waits_while_the_market_is_above_the_cap(house: RelayHouse) -> None:
    house.use(rate_cap=GWEI // 100)
    signed = house.signed("acme")
    with pytest.raises(CannotCarryYet, match="a lower fee"):
        house.send(signed)
    assert (house.carriages(), house.count()) == ([], 0)
    house.use(rate_cap=500 * GWEI)
    house.follow()
    house.settle()
    expect_paid(house, signed)


def test_bids_more_when_asked_and_no_more_than_the_cap(house: RelayHouse) -> None:
    signed = house.signed("acme")
    with house.anvil.mining_by_hand():
        house.send(signed)
        house.follow()
        assert len(house.carriages()[0].variants) == 1
        _ask(house, signed.spend)
        house.follow()
        first, second = house.carriages()[0].variants
        assert second.bid.rate * 10 >= first.bid.rate * 11
        assert second.bid.tip * 10 >= first.bid.tip * 11
        assert (second.outcome, house.carriages()[0].raise_asked) == ("accepted", False)
        house.use(rate_cap=second.bid.rate)
        _ask(house, signed.spend)
        house.follow()
        assert len(house.carriages()[0].variants) == 2
        assert "a lower fee" in (house.carriages()[0].waiting_for or "")
    house.settle()
    assert house.carriages()[0].txid == second.txid
    expect_paid(house, signed)


def test_bids_more_by_itself_after_a_while(house: RelayHouse) -> None:
    house.use(raise_after=timedelta(0))
    with house.anvil.mining_by_hand():
        house.send(house.signed("acme"))
        house.follow()
        house.follow()
        assert len(house.carriages()[0].variants) == 3
    house.settle()
    assert house.carriages()[0].txid == house.carriages()[0].variants[-1].txid


def test_asks_for_more_only_where_something_waits_for_a_block(house: RelayHouse) -> None:
    signed = house.signed("acme")
    with pytest.raises(operations.NothingToRaise):
        _ask(house, signed.spend)
    house.send(signed)
    house.follow()
    with pytest.raises(operations.NothingToRaise):
        _ask(house, signed.spend)


def test_a_number_whose_spend_a_stranger_carried_is_used_for_nothing(house: RelayHouse) -> None:
    first = house.signed("acme")
    with house.anvil.mining_by_hand():
        house.send(first)
        sent = house.carriages()[0].variants[0]
        house.anvil.rpc("anvil_dropTransaction", sent.txid)
        (prospect,) = house.node.examine([first.raw], account=house.key.account)
        drafted = house.lane().payer.draft([(first.raw, prospect)])
        house.anvil.send(drafted.to, data=drafted.data, gas=1_000_000)
        house.anvil.mine()
        _ask(house, first.spend)
        house.follow()
        assert house.carriages()[0].variants[-1].spends == ()
    house.settle()
    house.send(house.signed("birch"))
    assert [each.number for each in house.carriages()] == [0, 1]
    assert house.load(first).state is LoadState.ENDED
    expect_paid(house, first)


def _ask(house: RelayHouse, spend: str) -> None:
    with house.db.unit() as unit:
        operations.request_raise(unit.session, chain=ANVIL.chain, spend=spend, actor="alice", now=unit.now)


def _deploy(house: RelayHouse, raw: bytes, *, mine: bool = False) -> None:
    from tests.support.lanes import SPENDING

    execution = SPENDING.read_execution(raw)
    creation = execution.safes.create_calldata(execution.salt_nonce)
    if not mine:
        house.anvil.transact(contracts.PROXY_FACTORY.address, data=creation)
        return
    house.anvil.send(contracts.PROXY_FACTORY.address, data=creation, gas=1_000_000)
    house.anvil.mine()
