"""The task that fills a stock: it waits, and is done again, while the chain does not serve our addresses."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

import workers.tasks  # noqa: F401 - registers them
from custody.addresses import queries
from custody.chains.port import AddressesNotServed
from custody.outbox import operations as outbox
from tests.integration.addresses.fake_chain import FakeGround
from tests.support.servers import FreshDatabase
from tests.support.world import House
from workers.unit import DELIVERIES


def test_stock_waits_until_the_chain_serves_our_addresses(database: FreshDatabase) -> None:
    house = House.found(database)
    vault = house.open_client("acme", branch=1, stock=0)
    ground = FakeGround(house.runtime.only.chain, serves=False)
    served = house.runtime.only
    here = replace(house.runtime, chains={served.chain: replace(served, node=ground)})
    with house.db.unit() as unit:
        leased = outbox.lease(unit.session, now=unit.now, length=timedelta(minutes=1), limit=10)
    (message,) = [item for item in leased if item.topic == "addresses.restock"]
    deliver = DELIVERIES["addresses.restock"]
    for serves, level in ((False, 0), (True, house.runtime.settings.stock_target)):
        ground.serves = serves
        if serves:
            deliver(here, message.id)
        else:
            with pytest.raises(AddressesNotServed):
                deliver(here, message.id)
        with house.db.unit() as unit:
            assert outbox.is_waiting(unit.session, message_id=message.id) is not serves
            assert queries.stock_level(unit.session, vault=vault, change=False) == level
    house.close()
