"""Acme on anvil, with ether and a token that can be paused, and a payment of it that is signed and sent."""

from __future__ import annotations

from typing import Any

import pytest

from custody.withdrawals.model import Withdrawal
from demo.servers import Anvil
from tests.chains.ethereum.conftest import ETHER
from tests.support.evm import Contract, deploy_token
from tests.support.servers import FreshDatabase
from tests.support.turns import Turns

STRANGER = "0x" + "5a" * 20


@pytest.fixture
def token(anvil: Anvil) -> Contract:
    return deploy_token(anvil, "PausableToken")


@pytest.fixture
def road(anvil: Anvil, database: FreshDatabase, token: Contract) -> Turns:
    """Acme with two ether and a thousand of a token that can be paused."""
    road = Turns(database, anvil, {"ODD": (token, 6)})
    road.open("acme")
    road.fund("acme", 2 * ETHER)
    road.fund("acme", 1_000, "ODD")
    road.anvil.open_account(STRANGER)
    return road


def signed(road: Turns, units: int = 400) -> Withdrawal:
    """A token payment that is signed and sent, and nobody has carried out."""
    asked = road.ask("acme", units, "ODD")
    road.settle()
    assert road.state(asked) == "broadcast"
    return asked


def no_op_of(road: Turns, asked: Withdrawal) -> Any:
    found = [item for item in road.attempts(asked) if not item.pays]
    assert len(found) == 1
    return found[0]
