"""Following the chain, and what follows from it."""

from __future__ import annotations

from typing import Any

from custody.bootstrap import Runtime
from custody.db import Unit
from custody.deposits import operations as deposits
from custody.deposits.watch import watch_mempool
from custody.movements import scan
from custody.withdrawals import operations as withdrawals
from workers.unit import scheduled_task, unit_task

_SEEN: set[str] = set()
"""Mempool transactions this process has looked at; losing it costs a second look."""


@scheduled_task("chain.scan")
def scan_chain(runtime: Runtime) -> None:
    """Read new blocks, then look at what waits unconfirmed."""
    scan.scan(
        runtime.node,
        runtime.database,
        chain=runtime.chain,
        assets=runtime.assets,
        start_height=runtime.settings.start_height,
        finality=runtime.deposit_rules.finality,
    )
    watch_mempool(
        runtime.node,
        runtime.database,
        chain=runtime.chain,
        config=runtime.deposit_rules,
        seen_before=_SEEN,
        actor="chain",
    )


@unit_task("movements.advanced")
def advanced(unit: Unit, runtime: Runtime, /, *, correlation_id: str, chain: str, **_: Any) -> None:
    """A block was read: payments first, for a reorg must undo them before the deposits they spent."""
    _follow(unit, runtime, chain, correlation_id)


@unit_task("movements.reorganised")
def reorganised(unit: Unit, runtime: Runtime, /, *, correlation_id: str, chain: str, **_: Any) -> None:
    """Blocks were undone."""
    _follow(unit, runtime, chain, correlation_id)


def _follow(unit: Unit, runtime: Runtime, chain: str, correlation_id: str) -> None:
    withdrawals.observe(
        unit.session, chain=chain, rules=runtime.spend_rules, correlation_id=correlation_id, now=unit.now
    )
    deposits.advance(unit.session, chain=chain, config=runtime.deposit_rules, actor="chain", now=unit.now)
