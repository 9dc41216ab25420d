"""A node without traces, and one that has forgotten: what no block tells is found in balances, once and to the unit."""

from __future__ import annotations

import pytest

from demo.servers import Anvil
from tests.chains.ethereum.conftest import ETHER, NATIVE, token_id
from tests.integration.evm.house import DEPTH, House
from tests.support.evm import deploy, deploy_token
from tests.support.safes import SafeTransaction
from tests.support.servers import FreshDatabase


@pytest.fixture
def house(anvil: Anvil, database: FreshDatabase) -> House:
    made = House(database, anvil, (deploy_token(anvil), deploy_token(anvil, "SilentToken")))
    made.shown_in_part()
    return made


def every_way(house: House, client: str) -> dict[str, int]:
    """Pay the client in every way there is; what that comes to."""
    anvil, to = house.anvil, house.at[client]
    plain, quiet = house.tokens
    anvil.transact(to, ETHER)
    deploy(anvil, "Forwarder").transact("forward", to, amount_wei=500)
    deploy(anvil, "SelfDestructor", amount_wei=70).transact("destroy", to)
    plain.transact("transfer", to, 1_000)
    quiet.transact("transfer", to, 2_000)
    anvil.credit(to, 4_000)
    anvil.mine()
    return {NATIVE: ETHER + 4_570, token_id(plain): 1_000, token_id(quiet): 2_000}


def test_without_traces_everything_is_credited_within_the_stated_time(house: House) -> None:
    house.follow()
    paid = every_way(house, "acme")
    house.follow()
    assert house.available("acme") == {}
    for _ in range(DEPTH + 10):
        house.settle(1)
    assert house.available("acme") == paid
    assert house.available("birch") == house.available("cedar") == {}
    house.expect_agreement()
    assert {since is not None for (since,) in house.rows("SELECT since FROM movements")} == {True, False}


def test_nothing_is_booked_before_balances_were_compared(house: House) -> None:
    every_way(house, "acme")
    while house.anvil.height() - house.start < 3 * DEPTH:
        house.anvil.mine()
        house.follow(compare_every=1_000)
    assert house.available("acme") == {}
    house.follow(compare_every=10)
    assert house.available("acme")[NATIVE] == ETHER
    house.settle()
    house.expect_agreement()


def test_a_deployed_safe_without_traces_pays_and_is_paid(house: House) -> None:
    safe = house.safe("acme")
    house.anvil.transact(safe.address, ETHER)
    safe.deploy()
    house.anvil.transact(safe.address, 300)
    deploy(house.anvil, "Forwarder").transact("forward", safe.address, amount_wei=500)
    safe.execute(SafeTransaction("0x" + "77" * 20, 40))
    for _ in range(DEPTH + 10):
        house.settle(1)
    assert house.available("acme") == {NATIVE: ETHER + 800}
    spent = house.rows("SELECT spent_by, units FROM movements WHERE direction = 'out'")
    assert spent == [("0x" + safe.hash(SafeTransaction("0x" + "77" * 20, 40)).hex(), 40)]


def test_after_an_outage_longer_than_the_nodes_memory_nothing_is_missing_or_twice(house: House) -> None:
    house.follow()
    first = every_way(house, "acme")
    house.anvil.mine(300)
    second = every_way(house, "birch")
    house.forgotten_before_the_newest()
    house.follow()
    house.settle()
    house.settle()
    assert house.available("acme") == first
    assert house.available("birch") == second
    house.expect_agreement()
    house.shown_whole()
    house.follow(overlap=400)
    house.settle()
    assert house.available("acme") == first
    house.expect_agreement()


def test_a_log_of_a_forgotten_block_is_worth_nothing_by_itself(anvil: Anvil, database: FreshDatabase) -> None:
    liar = deploy_token(anvil, "LyingToken")
    house = House(database, anvil, (liar,))
    house.follow()
    liar.transact("transfer", house.at["acme"], 1_000)
    anvil.mine(200)
    house.forgotten_before_the_newest()
    house.follow()
    house.settle()
    house.settle()
    assert house.available("acme") == {token_id(liar): 500}
    house.expect_agreement()


@pytest.mark.parametrize("point", ["movements.balances_read", "movements.compared"])
def test_killed_between_comparing_and_recording_the_next_finds_the_same(house: House, point: str) -> None:
    house.follow()
    paid = every_way(house, "acme")
    house.anvil.mine(DEPTH)
    house.dies_at(point)
    assert house.rows("SELECT * FROM comparisons") == []
    assert house.rows("SELECT * FROM movements WHERE since IS NOT NULL") == []
    house.follow()
    (compared,) = house.rows("SELECT height FROM comparisons")
    house.settle()
    house.settle()
    assert compared[0] < house.anvil.height()
    assert house.available("acme") == paid
    house.expect_agreement()


def test_a_reorg_takes_the_comparison_with_it_and_the_next_finds_what_is_left(house: House) -> None:
    house.follow()
    every_way(house, "acme")
    house.anvil.mine(9)
    house.follow()
    assert len(house.rows("SELECT * FROM comparisons")) == 1
    house.anvil.reorg(3)
    house.anvil.mine()
    house.follow(compare_every=1_000)
    assert house.rows("SELECT * FROM comparisons") == []
    assert house.rows("SELECT * FROM movements WHERE since IS NOT NULL AND removed_at IS NULL") == []
    house.settle(2 * DEPTH)
    house.settle()
    assert house.available("acme")[NATIVE] >= ETHER
    house.expect_agreement()
