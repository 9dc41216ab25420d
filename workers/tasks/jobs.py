"""Doing what was asked for as a whole, a piece at a time."""

from __future__ import annotations

from custody.addresses import operations as addresses
from custody.bootstrap import Runtime
from custody.jobs import operations
from workers.unit import effect_task


@effect_task("jobs.advance")
def advance(runtime: Runtime, /, *, correlation_id: str, job: str) -> None:
    """Do the next piece. Where the stock is empty it is asked for, and the piece waits until it is filled."""
    try:
        with runtime.database.unit() as unit:
            operations.advance(
                unit.session,
                job=job,
                seal_key=runtime.seal_key,
                low_mark=runtime.settings.stock_low_mark,
                correlation_id=correlation_id,
                now=unit.now,
            )
    except addresses.StockEmpty as empty:
        with runtime.database.unit() as unit:
            vault, kept_for = str(empty.facts["vault"]), str(empty.facts["kept_for"])
            addresses.request_restock(unit.session, vault=vault, kept_for=kept_for, now=unit.now)
            operations.rest(unit.session, job=job, why="addresses to be derived", now=unit.now)
        raise
