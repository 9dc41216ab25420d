"""A road, and copies of its database as it was at a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from demo.servers import Postgres
from tests.support.road import Road
from tests.support.roads import road
from tests.support.servers import FreshDatabase

__all__ = ["Backup", "backup", "road"]

Backup = Callable[[], FreshDatabase]


@pytest.fixture
def backup(postgres_server: Postgres, road: Road) -> Iterator[Callable[[], FreshDatabase]]:
    """Copy the road's database as it is now: what a restore brings back."""
    made: list[FreshDatabase] = []

    def copy() -> FreshDatabase:
        road.db.dispose()
        road.database.close()
        name = f"{road.database.name}_backup_{len(made)}"
        owner_url, app_url = postgres_server.create_database(name, template=road.database.name)
        made.append(FreshDatabase(name, owner_url, app_url, postgres_server.url("postgres", name)))
        return made[-1]

    yield copy
    for database in made:
        postgres_server.drop_database(database.name)
