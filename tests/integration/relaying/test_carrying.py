"""Signed spends are carried onto a real chain: numbered, stored before they are sent, mined, booked."""

from __future__ import annotations

import pytest

from custody.chains.port import BroadcastResult
from custody.relaying.states import CarriageState, LoadState
from demo.servers import Anvil
from tests.support.lanes import ETHER, RelayHouse, expect_paid
from tests.support.servers import FreshDatabase


@pytest.fixture
def house(anvil: Anvil, database: FreshDatabase) -> RelayHouse:
    return RelayHouse(database.db, anvil).found()


def test_carries_one_spend_from_its_number_to_the_books(house: RelayHouse) -> None:
    signed = house.signed("acme")
    assert house.send(signed).result is BroadcastResult.ACCEPTED
    (carriage,) = house.carriages()
    assert (carriage.number, carriage.state) == (0, CarriageState.SENT)
    receipt = house.anvil.receipt(carriage.variants[0].txid)
    expect_paid(house, signed)
    house.settle()
    (carriage,) = house.carriages()
    cost = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert (carriage.state, carriage.fee_units) == (CarriageState.CONFIRMED, cost)
    assert house.load(signed).state is LoadState.ENDED
    assert house.gas_of(signed) == cost
    assert (house.balance("capital"), house.balance("network_fees")) == (10 * ETHER, -cost)
    house.expect_payer_balanced()
