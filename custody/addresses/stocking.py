"""Filling a vault's stock: read what is missing, derive it twice with no unit open, write it."""

from __future__ import annotations

from custody.addresses import operations
from custody.addresses.model import derive
from custody.db import Database
from custody.kernel.crash import crash_point


def fill_stock(database: Database, *, vault: str, target: int, seal_key: bytes) -> int:
    """Bring both stocks of ``vault`` (receive, change) to ``target`` addresses; returns how many were added.

    Two at once, or one killed halfway, leave no more than ``target`` and no gap. Raises ``UnknownVault``,
    ``StockMoved``, and ``DerivationMismatch``, ``AddressTampered`` or ``KeysetTampered``, which
    ``operations.record_tampering`` turns into an alarm.
    """
    return sum(_fill(database, vault, change, target, seal_key) for change in (False, True))


def _fill(database: Database, vault: str, change: bool, target: int, seal_key: bytes) -> int:
    with database.unit() as unit:
        plan = operations.plan_stock(unit.session, vault=vault, change=change, target=target, seal_key=seal_key)
    if plan is None:
        return 0
    derived = derive(plan.descriptor, change=change, indexes=plan.indexes)
    crash_point("addresses.derived")
    with database.unit() as unit:
        added = operations.store(unit.session, plan=plan, derived=derived, seal_key=seal_key, now=unit.now)
        crash_point("addresses.storing")
    return added
