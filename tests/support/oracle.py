"""The whole check that every adversarial case ends with, and the mark of a test that plays one.

``@plays("P-041")`` stands on a test that really tries the case and then asks for the whole check: the mark makes it
fail when it passes without having asked (``tests.conftest``). ``tests/architecture/test_cases.py`` wants one per case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from custody.chains.spending import Terms
from custody.db import Database
from custody.reconciliation.books import still
from custody.reconciliation.invariants import check_invariants
from custody.reconciliation.stuck import Deadlines

_asked: list[str] = []
"""The databases of which the whole check was asked in this process, in order."""


def expect_whole(database: Database, *, terms: Mapping[str, Terms], deadlines: Mapping[str, Deadlines]) -> None:
    """Every invariant that a database can show holds in this one: none is left out."""
    with database.unit() as unit:
        now = unit.now
    with still(database) as session:
        report = check_invariants(session, terms=terms, deadlines=deadlines, now=now)
    assert report.holds, report.to_json()["violations"]
    _asked.append(str(database.engine.url.database))


def plays(*cases: str) -> pytest.MarkDecorator:
    """The test plays these cases of the catalogue, and ends in the whole check."""
    return pytest.mark.plays(*cases)


@contextmanager
def must_end_whole() -> Iterator[None]:
    """What happens inside asks for the whole check at least once, or it fails."""
    before = len(_asked)
    yield
    assert len(_asked) > before, "a case ends with the whole check, and nobody asked for it"
