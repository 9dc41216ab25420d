"""Commands configure logging for their process; tests share one, so it is put back."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _quiet_afterwards() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in [item for item in root.handlers if type(item) is logging.StreamHandler]:
        root.removeHandler(handler)
