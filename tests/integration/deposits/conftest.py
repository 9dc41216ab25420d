"""A world per test."""

from __future__ import annotations

import pytest

from demo.servers import Bitcoind
from tests.integration.deposits.world import World
from tests.support.servers import FreshDatabase


@pytest.fixture
def world(database: FreshDatabase, chain: Bitcoind) -> World:
    return World(database.db, chain)
