"""Fixtures of the cosigner's tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from custody.cosigner.memory import Memory
from tests.cosigner.builders import World
from tests.cosigner.keyholder import DONE, Keyholder


@cache
def _world() -> World:
    return World()


@pytest.fixture
def world() -> World:
    """The demo's world; shared, for it is frozen."""
    return _world()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    """An empty memory."""
    memory = Memory.create(tmp_path / "memory.sqlite")
    yield memory
    memory.close()


@pytest.fixture
def live() -> World:
    """A world of today: the program reads its own clock."""
    return World(now=datetime.now(UTC))


@pytest.fixture
def north(tmp_path: Path) -> Keyholder:
    keyholder = Keyholder("north", tmp_path)
    assert keyholder.init() == DONE
    return keyholder


@pytest.fixture
def pinned(north: Keyholder, live: World) -> Keyholder:
    assert north.pin(live) == DONE
    return north
