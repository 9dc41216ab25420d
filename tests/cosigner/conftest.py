"""Fixtures of the cosigner's tests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from custody.cosigner.memory import Memory
from tests.cosigner.builders import World


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
