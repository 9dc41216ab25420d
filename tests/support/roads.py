"""The fixture ``road``: a house on a fresh database, on the session's chain. Conftests import it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.servers import Bitcoind
from tests.support.road import Road
from tests.support.servers import FreshDatabase


@pytest.fixture
def road(database: FreshDatabase, chain: Bitcoind, tmp_path: Path) -> Iterator[Road]:
    """One road, nobody opened yet."""
    built = Road.build(database, chain, tmp_path)
    yield built
    built.close()
