"""A house that carries, on a node and a database of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from demo.servers import Anvil
from tests.support.lanes import RelayHouse
from tests.support.servers import FreshDatabase


@pytest.fixture
def relay_house(anvil: Anvil, database: FreshDatabase) -> Callable[..., RelayHouse]:
    """Make one, with changes to what it is."""

    def make(**changes: Any) -> RelayHouse:
        return RelayHouse(database.db, anvil, **changes).found()

    return make


@pytest.fixture
def house(relay_house: Callable[..., RelayHouse]) -> RelayHouse:
    """One with two clients, its payer topped up."""
    return relay_house()
