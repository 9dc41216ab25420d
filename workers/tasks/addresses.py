"""Filling the stock of addresses ahead of need."""

from __future__ import annotations

from typing import Any

from custody.addresses import operations as addresses
from custody.addresses.model import derive
from custody.bootstrap import Runtime
from custody.kernel.crash import crash_point
from workers.unit import effect_task


@effect_task("addresses.restock")
def restock(runtime: Runtime, /, *, correlation_id: str, vault: str, **_: Any) -> None:
    """Derive what is missing, by two libraries, and store it."""
    del correlation_id
    for change in (False, True):
        _fill(runtime, vault, change=change)


def _fill(runtime: Runtime, vault: str, *, change: bool) -> None:
    target, key = runtime.settings.stock_target, runtime.seal_key
    with runtime.database.unit() as unit:
        plan = addresses.plan_stock(unit.session, vault=vault, change=change, target=target, seal_key=key)
    if plan is None:
        return
    derived = derive(plan.descriptor, change=change, indexes=plan.indexes)
    crash_point("addresses.derived")
    with runtime.database.unit() as unit:
        addresses.store(unit.session, plan=plan, derived=derived, seal_key=key, now=unit.now)
