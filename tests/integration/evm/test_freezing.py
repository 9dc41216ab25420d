"""A freeze on a chain of accounts: one client's payment waits, another's is carried, and then both are."""

from __future__ import annotations

import pytest

from custody.withdrawals.operations import VaultStopped
from demo.servers import Anvil
from tests.chains.ethereum.conftest import ETHER
from tests.support.governing import file, freeze, govern, unfreeze
from tests.support.servers import FreshDatabase
from tests.support.turns import Turns


@pytest.fixture
def road(anvil: Anvil, database: FreshDatabase) -> Turns:
    """Two clients with two ether each."""
    road = Turns(database, anvil)
    for client in ("acme", "birch"):
        road.open(client)
        road.fund(client, 2 * ETHER)
    return road


def test_one_clients_payment_waits_while_anothers_goes_and_then_goes_too(road: Turns) -> None:
    asked = {client: road.ask(client, ETHER) for client in ("acme", "birch")}
    file(road.db, freeze(road.db, "client", "acme"))
    road.pay_out()
    assert {client: road.state(each) for client, each in asked.items()} == {"acme": "approved", "birch": "completed"}
    assert road.received(asked["acme"]) == 0
    road.check()
    govern(road.db, unfreeze(road.db, "client", "acme"), "bob", "carol")
    road.pay_out()
    assert road.state(asked["acme"]) == "completed"
    road.check()


def test_what_is_signed_is_not_carried_and_can_still_be_given_up(road: Turns) -> None:
    asked = road.ask("acme", ETHER)
    road.settle(cosigners=())
    road.cosign()
    road.deliver(but="withdrawals.broadcast")
    assert road.state(asked) == "signed"
    file(road.db, freeze(road.db, "client", "acme"))
    road.settle()
    with pytest.raises(VaultStopped):
        road.carry_all()
    assert road.state(asked) == "signed"
    road.respend(asked)
    road.pay_out()
    assert road.state(asked) == "cancelled"
    assert road.balance("acme") == (2 * ETHER, 0)
    road.check()
