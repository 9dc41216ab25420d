"""Faults happen to shared servers, so these run one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.live import Live, living
from tests.crash.roads import Journey
from tests.crash.yard import Yard
from tests.support.servers import Servers


@pytest.fixture(scope="session")
def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """Servers, the forge, a chain."""
    yard = Yard(servers, tmp_path_factory.mktemp("yard"))
    yield yard
    yard.close()


@pytest.fixture
def live(yard: Yard) -> Iterator[Live]:
    """A house with nothing running."""
    with living(yard) as live:
        yield live


@pytest.fixture
def journey(live: Live) -> Journey:
    """A client in it with a credited deposit."""
    journey = Journey(live)
    journey.fund()
    return journey
