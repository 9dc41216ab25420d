"""Reading for a page: one snapshot, in which every statement sees the same moment, and nothing can be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from sqlalchemy.orm import Session

from custody.api.console.door import Visit
from custody.reconciliation.books import still

Result = TypeVar("Result")

ROWS: Final = 15
"""Rows of a list on one page: with everything else it stays below what a page may weigh."""


def snapshot(visit: Visit, view: Callable[[Session], Result]) -> Result:
    """What ``view`` says of one moment. Raises as it does, and ``DatabaseUnavailable``."""
    with still(visit.call.runtime.database) as session:
        return view(session)


def network_names(visit: Visit) -> Mapping[str, str]:
    """The short names of the chains this house serves, by their ids."""
    return {each.chain: each.name for each in visit.call.runtime.chains.values()}
