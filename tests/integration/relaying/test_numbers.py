"""Numbers never skip nor double, whatever the node answers, whoever is killed, and however many carry at once."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from eth_account import Account

import custody.relaying
from custody.chains.port import BroadcastResult, NodeRefused, NodeUnavailable
from custody.db import Database
from custody.kernel import crash
from custody.relaying import operations
from custody.relaying.effect import CannotCarryYet
from custody.relaying.states import CarriageState, LoadState
from demo.servers import Anvil
from tests.chains.ethereum.conftest import Limited
from tests.support.lanes import ANVIL, ETHER, GWEI, RelayHouse, WholeHouse, expect_paid, payee
from tests.support.oracle import plays
from tests.support.servers import FreshDatabase

POINTS = crash.points_in(Path(custody.relaying.__path__[0]))


class Moody(Limited):
    """Answers the first ``eth_sendRawTransaction`` with words of its own, after passing it on or instead of that."""

    def __init__(self, url: str, *, says: str, passes_on: bool) -> None:
        super().__init__(url)
        self.says, self.passes_on, self.moods = says, passes_on, 1

    def call(self, method: str, *params: Any, timeout_seconds: float | None = None) -> Any:
        if method != "eth_sendRawTransaction" or not self.moods:
            return super().call(method, *params, timeout_seconds=timeout_seconds)
        self.moods -= 1
        if self.passes_on:
            super().call(method, *params, timeout_seconds=timeout_seconds)
        if not self.says:
            raise NodeUnavailable("no answer")
        raise NodeRefused(self.says, rpc_code=-32000, rpc_message=self.says)


@plays("P-035")
@pytest.mark.parametrize("passes_on", [True, False], ids=["passed on", "not"])
@pytest.mark.parametrize(
    "says",
    [
        "already known",
        "nonce too low",
        "replacement transaction underpriced",
        "insufficient funds for gas * price + value",
        "",
    ],
)
def test_an_answer_of_the_node_is_settled_by_looking_it_up(
    anvil: Anvil, database: FreshDatabase, says: str, passes_on: bool
) -> None:
    house = WholeHouse(database.db, anvil, rpc=Moody(anvil.url, says=says, passes_on=passes_on))
    house.found()
    first, second = house.signed("acme"), house.signed("birch")
    for each in (first, second):
        house.owed(each)
    house.send(first)
    assert house.carriages()[0].state is CarriageState.SENT
    house.send(second)
    house.follow()
    house.settle()
    assert [(each.number, len(each.variants)) for each in house.carriages()] == [(0, 1), (1, 1)]
    assert house.count() == 2
    for each in (first, second):
        expect_paid(house, each)
        assert house.load(each).state is LoadState.ENDED
        house.paid(each)
    house.expect_whole()


@plays("P-037")
def test_the_original_mined_late_pays_once_and_its_replacement_fails_harmlessly(
    anvil: Anvil, database: FreshDatabase
) -> None:
    house = WholeHouse(database.db, anvil)
    house.found()
    signed = house.signed("acme")
    house.owed(signed)
    with house.anvil.mining_by_hand():
        house.send(signed)
        with house.db.unit() as unit:
            operations.request_raise(unit.session, chain=ANVIL.chain, spend=signed.spend, actor="alice", now=unit.now)
        house.follow()
        original, replacement = house.carriages()[0].variants
        assert house.anvil.rpc("eth_getTransactionByHash", original.txid) is None
        house.anvil.rpc("anvil_dropTransaction", replacement.txid)
        house.anvil.rpc("eth_sendRawTransaction", "0x" + original.raw.hex())
        house.anvil.mine()
    assert house.receipt(original.txid) is not None
    outcome = house.node.broadcast(replacement.raw)
    assert outcome.result is not BroadcastResult.ACCEPTED
    house.follow()
    house.settle()
    (carriage,) = house.carriages()
    assert (carriage.txid, carriage.state) == (original.txid, CarriageState.CONFIRMED)
    expect_paid(house, signed)
    assert house.gas_of(signed) == carriage.fee_units == -house.balance("network_fees")
    assert house.count() == 1
    house.paid(signed)
    house.expect_whole()


@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_it_goes_on_under_the_same_number(anvil: Anvil, database: FreshDatabase, point: str) -> None:
    house = RelayHouse(database.db, anvil)
    first, second = house.signed("acme"), house.signed("birch")
    house.found()

    def road(at: RelayHouse) -> None:
        """Passes every point: the first is replaced once."""
        at.anvil.automine(False)
        at.send(first)
        with at.db.unit() as unit:
            operations.request_raise(unit.session, chain=ANVIL.chain, spend=first.spend, actor="a", now=unit.now)
        at.follow()
        at.anvil.automine(True)
        at.anvil.mine()
        at.follow()

    _die_at(house, database, point, road)
    house.anvil.automine(True)
    house.anvil.mine()
    for each in (first, second):
        house.send(each)
    house.follow()
    house.settle()
    house.settle()
    assert [each.number for each in house.carriages()] == [0, 1]
    assert house.count() == 2
    for each in (first, second):
        expect_paid(house, each)
    assert {each.state for each in house.carriages()} == {CarriageState.CONFIRMED}
    house.expect_payer_balanced()


def _die_at(house: RelayHouse, database: FreshDatabase, point: str, road: Callable[[RelayHouse], None]) -> None:
    child = os.fork()
    if child == 0:
        try:
            crash.arm(point)
            own = RelayHouse(Database(database.app_url), house.anvil, keys=house.keys, payer_secret=house.payer_secret)
            road(own)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"{point} was not passed"
    assert os.WTERMSIG(status) == signal.SIGKILL


class Failing(Limited):
    """Loses one call in four: before it is passed on, or its answer."""

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(url)
        self._random, self._lock = random.Random(seed), Lock()

    def call(self, method: str, *params: Any, timeout_seconds: float | None = None) -> Any:
        mood = self._mood()
        if mood < 1:
            raise NodeUnavailable("lost")
        found = super().call(method, *params, timeout_seconds=timeout_seconds)
        if mood < 2:
            raise NodeUnavailable("its answer was lost")
        return found

    def batch(self, calls: Any, *, timeout_seconds: float | None = None) -> list[Any]:
        if self._mood() < 1:
            raise NodeUnavailable("lost")
        return super().batch(calls, timeout_seconds=timeout_seconds)

    def _mood(self) -> float:
        with self._lock:
            return self._random.uniform(0, 8)


def test_many_who_carry_at_once_and_fail_at_random_share_one_line_of_numbers(
    anvil: Anvil, database: FreshDatabase, seed: int
) -> None:
    clients = {f"client{number}": ("segregated", number) for number in range(1, 13)}
    house = RelayHouse(database.db, anvil, clients=clients).found()
    house.follow()
    flaky = RelayHouse(
        database.db,
        anvil,
        clients=clients,
        keys=house.keys,
        payer_secret=house.payer_secret,
        rpc=Failing(anvil.url, seed),
    )
    spends = [house.signed(client) for client in clients]

    def carry(number: int) -> None:
        for _ in range(3):
            try:
                flaky.send(spends[number])
            except (NodeUnavailable, NodeRefused, CannotCarryYet):
                continue

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(carry, range(len(spends))))
    for _ in range(3):
        house.follow()
    house.settle()
    numbers = [each.number for each in house.carriages()]
    assert numbers == list(range(len(numbers)))
    assert house.count() == len(numbers) == len(spends)
    for each in spends:
        expect_paid(house, each)
    house.expect_payer_balanced()


def _used_elsewhere(house: RelayHouse) -> None:
    """Somebody who has the key sends with it."""
    sent = {
        "to": payee("thief"),
        "value": ETHER,
        "nonce": house.count(),
        "gas": 21_000,
        "chainId": ANVIL.chain_id,
        "maxFeePerGas": 100 * GWEI,
        "maxPriorityFeePerGas": GWEI,
    }
    signed = Account.from_key(house.payer_secret).sign_transaction(sent)
    house.anvil.receipt(house.anvil.rpc("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex()))


def test_a_key_that_somebody_else_used_is_used_no_more(house: RelayHouse) -> None:
    house.send(house.signed("acme"))
    house.follow()
    _used_elsewhere(house)
    other = house.signed("birch")
    with pytest.raises(operations.KeyUsedElsewhere):
        house.send(other)
    with pytest.raises(operations.PayerStopped):
        house.send(other)
    with pytest.raises(operations.PayerStopped):
        house.follow()
    assert len(house.carriages()) == 1
    assert house.count() == 2
    assert house.alarms("payer-stopped") >= 1
    with house.db.unit() as unit, pytest.raises(operations.PayerStopped):
        _resume(unit.session, house, 0, unit.now)
    with house.db.unit() as unit:
        _resume(unit.session, house, 2, unit.now)
    house.follow()
    assert [each.number for each in house.carriages()] == [0, 2]
    expect_paid(house, other)


def test_what_left_the_payer_and_is_no_fee_is_a_break(house: RelayHouse) -> None:
    house.follow()
    _used_elsewhere(house)
    with pytest.raises(operations.PayerStopped):
        house.follow()
    with pytest.raises(AssertionError, match="ledger-is-the-chain"):
        house.expect_payer_balanced()
    with house.db.unit() as unit:
        operations.resume(
            unit.session, chain=ANVIL.chain, account=house.key.account, next_number=1, actor="alice", now=unit.now
        )
    with pytest.raises(operations.PayerStopped, match="frozen"):
        house.follow()


def test_a_key_that_was_used_before_is_not_taken_on_unseen(anvil: Anvil, database: FreshDatabase) -> None:
    house = RelayHouse(database.db, anvil).found()
    _used_elsewhere(house)
    house.scan()
    with pytest.raises(operations.KeyUsedElsewhere):
        house.send(house.signed("acme"))
    assert house.carriages() == []
    assert house.alarms("payer-stopped") == 1


def test_a_database_older_than_the_chain_carries_nothing(anvil: Anvil, postgres: Callable[[], FreshDatabase]) -> None:
    """As after a restore: the chain has a number that this database never gave."""
    before, later = postgres(), postgres()
    house = RelayHouse(before.db, anvil).found()
    house.follow()
    other = RelayHouse(later.db, anvil, keys=house.keys, payer_secret=house.payer_secret)
    other.funded_wei = 0
    other.found()
    other.send(other.signed("acme"))
    with pytest.raises(operations.KeyUsedElsewhere):
        house.send(house.signed("birch"))
    assert house.carriages() == []


def _resume(session: Any, house: RelayHouse, number: int, now: Any) -> None:
    operations.resume(session, chain=ANVIL.chain, account=house.key.account, next_number=number, actor="alice", now=now)
