"""A house with its API in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from custody.api.app import application
from custody.api.auth import Callers
from tests.integration.api.callers import TOKENS, As, Caller
from tests.support.servers import FreshDatabase
from tests.support.world import House, write_tokens


@contextmanager
def serving(house: House, folder: Path) -> Iterator[TestClient]:
    """The house's API, answering the usual callers."""
    callers = Callers.load(write_tokens(folder / "tokens.json", TOKENS))
    with TestClient(application(house.runtime, callers), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = House.found(database)
    yield house
    house.close()


@pytest.fixture
def client(house: House, tmp_path: Path) -> Iterator[TestClient]:
    with serving(house, tmp_path) as client:
        yield client


@pytest.fixture
def call_as(client: TestClient) -> As:
    return lambda name: Caller(client, name)
