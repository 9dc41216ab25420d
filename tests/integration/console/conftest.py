"""A house with one client who has money, whose operators have passkeys, and alice signed in at its console."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.cosigner.builders import BTC
from tests.integration.api.conftest import serving
from tests.support import passkeys
from tests.support.console import Visitor
from tests.support.passkeys import Passkey
from tests.support.servers import FreshDatabase
from tests.support.world import House


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = passkeys.found(database)
    house.open_client("acme", branch=1)
    house.credit("acme", 10 * BTC)
    yield house
    house.close()


@pytest.fixture
def client(house: House, tmp_path: Path) -> Iterator[TestClient]:
    with serving(house, tmp_path) as client:
        yield client


@pytest.fixture
def alice(client: TestClient) -> Visitor:
    return Visitor(client, "alice", Passkey("alice")).sign_in()
