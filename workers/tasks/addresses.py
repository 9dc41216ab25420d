"""Filling the stock of addresses ahead of need."""

from __future__ import annotations

from typing import Any

from custody.addresses.stocking import fill_stock
from custody.bootstrap import Runtime
from custody.vaults import queries as vaults
from workers.unit import effect_task


@effect_task("addresses.restock")
def restock(runtime: Runtime, /, *, correlation_id: str, vault: str, kept_for: str = "", **_: Any) -> None:
    """Derive what is missing, twice, and store it."""
    del correlation_id
    with runtime.database.unit() as unit:
        chain = vaults.get(unit.session, vault=vault).chain
    fill_stock(
        runtime.database,
        runtime.of(chain).node,
        vault=vault,
        target=runtime.settings.stock_target,
        seal_key=runtime.seal_key,
        kept_for=kept_for,
    )
