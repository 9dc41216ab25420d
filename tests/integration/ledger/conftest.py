"""The books of one fresh database; whatever a test does, they must be right afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.ledger.books import Books
from tests.support.servers import FreshDatabase


@pytest.fixture
def books(database: FreshDatabase) -> Iterator[Books]:
    """Fresh books, checked against every invariant at the end."""
    found = Books(database)
    yield found
    assert found.violations() == []


@pytest.fixture
def broken_books(database: FreshDatabase) -> Books:
    """Fresh books that the test is going to damage."""
    return Books(database)
