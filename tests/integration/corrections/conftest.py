"""A stage per test."""

from __future__ import annotations

import pytest

from demo.servers import Bitcoind
from tests.integration.reconciliation.stage import Stage
from tests.support.servers import FreshDatabase


@pytest.fixture
def stage(database: FreshDatabase, chain: Bitcoind) -> Stage:
    found = Stage(database.db, chain)
    found.hold_ceremony()
    return found
