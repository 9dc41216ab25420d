"""What lives at a destination is asked of the node before the unit, kept with the request, and read by the policy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from custody.api.asking import look
from custody.judging.facts import outside
from demo.servers import Anvil
from tests.support.evm import deploy_token
from tests.support.governing import file
from tests.support.servers import FreshDatabase
from tests.support.several import ANVIL, Several

STRANGER = "0x" + "5a" * 20


@pytest.fixture
def house(database: FreshDatabase, anvil: Anvil, tmp_path: Path) -> Iterator[Several]:
    house = Several.stand(database, tmp_path, anvil_rpc_url=anvil.url)
    yield house
    house.close()


def code_of(house: Several, destination: str) -> str | None:
    with house.db.unit() as unit:
        locator = bytes.fromhex(destination[2:])
        where = {"client": "birch", "chain": ANVIL.chain, "address": destination, "locator": locator}
        return outside(unit.session, **where, now=unit.now).code


def test_tells_a_contract_from_a_plain_address(house: Several, anvil: Anvil) -> None:
    contract = deploy_token(anvil, "PausableToken").address
    for destination, code in ((contract, "contract"), (house.asked().destination, "plain")):
        request = house.asked(destination=destination)
        assert code_of(house, destination) is None
        file(house.db, request, **look(house.runtime, request))
        assert code_of(house, destination) == code


def test_does_not_know_what_a_silent_node_does_not_say(database: FreshDatabase, tmp_path: Path) -> None:
    house = Several.stand(database, tmp_path)
    request = house.asked()
    assert look(house.runtime, request) == {}
    assert look(house.runtime, house.asked(destination=STRANGER.upper())) == {}
    assert file(house.db, request).state == "approved"
    assert code_of(house, request.destination) is None
    house.close()
