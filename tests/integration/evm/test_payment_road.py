"""Ether and tokens go out through the rooms on a real node: planned, signed, carried out by anybody, seen, settled."""

from __future__ import annotations

import pytest

from demo.servers import Anvil
from tests.chains.ethereum.conftest import ETHER
from tests.support.servers import FreshDatabase
from tests.support.turns import DEPTH, Turns


@pytest.fixture
def road(anvil: Anvil, database: FreshDatabase) -> Turns:
    return Turns(database, anvil)


def test_one_payment_of_a_segregated_client(road: Turns) -> None:
    road.open("acme")
    road.fund("acme", 2 * ETHER)
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
    assert road.state(asked) == "completed"
    assert road.balance("acme") == (3 * ETHER // 2, 0)
    road.check()
