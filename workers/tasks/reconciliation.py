"""Looking back on a schedule: reconciliation, what ran out of time, what is stuck."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from custody.bootstrap import Runtime
from custody.outbox import operations as outbox
from custody.reconciliation.effect import reconcile, reconcile_ranged
from custody.reconciliation.stuck import raise_stuck_alarms, stuck
from custody.restore import operations as restore
from custody.restore.replay import replay
from custody.withdrawals import operations as withdrawals
from workers.unit import scheduled_task

KEEP_FINISHED = timedelta(days=7)


@scheduled_task("reconciliation.run")
def run(runtime: Runtime) -> None:
    """Compare node, index and ledger at one block, from the scripts we stored."""
    reconcile(runtime.node, runtime.database, **_where(runtime))


@scheduled_task("reconciliation.ranged")
def run_ranged(runtime: Runtime) -> None:
    """The same from the signed descriptors, which does not believe our table of scripts."""
    reconcile_ranged(runtime.node, runtime.database, **_where(runtime))


@scheduled_task("restore.replay")
def catch_up(runtime: Runtime) -> None:
    """After a restore: read the chain again, compare, and go on when the books agree. Otherwise nothing."""
    under_way = replay(
        runtime.node,
        runtime.database,
        chain=runtime.chain,
        assets=runtime.assets,
        seal_key=runtime.seal_key,
        start_height=runtime.settings.start_height,
    )
    if under_way is None:
        return
    done = reconcile(runtime.node, runtime.database, **_where(runtime))
    with runtime.database.unit() as unit:
        restore.finish(unit.session, chain=runtime.chain, node_height=done.height, actor="restore", now=unit.now)


@scheduled_task("housekeeping")
def housekeeping(runtime: Runtime) -> None:
    """End what has run out, raise alarms for what is stuck, forget finished messages."""
    with runtime.database.unit() as unit:
        withdrawals.expire_overdue(unit.session, now=unit.now)
    with runtime.database.unit() as unit:
        rows = stuck(unit.session, deadlines=runtime.deadlines, now=unit.now)
        raise_stuck_alarms(unit.session, rows=rows, now=unit.now)
    with runtime.database.unit() as unit:
        outbox.prune(unit.session, before=unit.now - KEEP_FINISHED)


def _where(runtime: Runtime) -> dict[str, Any]:
    return {"chain": runtime.chain, "assets": runtime.assets, "start_height": runtime.settings.start_height}
