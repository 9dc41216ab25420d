"""A home of its own for servers that these tests stop, kill and look into."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="custody-home-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)
