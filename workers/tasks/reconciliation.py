"""Looking back on a schedule: reconciliation, what ran out of time, what is stuck."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from custody.approvals import operations as approvals
from custody.bootstrap import Runtime, ServedChain
from custody.notices import operations as notices
from custody.outbox import operations as outbox
from custody.reconciliation.effect import reconcile, reconcile_ranged
from custody.reconciliation.stuck import raise_stuck_alarms, stuck
from custody.restore import operations as restore
from custody.restore.replay import replay
from custody.withdrawals import operations as withdrawals
from workers.unit import chain_task, scheduled_task

KEEP_FINISHED = timedelta(days=7)


@chain_task("reconciliation.run")
def run(runtime: Runtime, here: ServedChain) -> None:
    """Compare node, index and ledger at one block, from the scripts we stored."""
    reconcile(here.node, runtime.database, **_where(here))


@chain_task("reconciliation.ranged")
def run_ranged(runtime: Runtime, here: ServedChain) -> None:
    """The same from the signed descriptors, which does not believe our table of scripts."""
    reconcile_ranged(here.node, runtime.database, **_where(here))


@scheduled_task("restore.replay")
def catch_up(runtime: Runtime) -> None:
    """After a restore: read every chain again, compare, and go on when the books agree. Otherwise nothing."""
    chains = runtime.chains.values()
    if replay(runtime.database, [here.followed for here in chains], seal_key=runtime.seal_key) is None:
        return
    heights = {here.chain: reconcile(here.node, runtime.database, **_where(here)).height for here in chains}
    with runtime.database.unit() as unit:
        restore.finish(unit.session, heights=heights, actor="restore", now=unit.now)


@scheduled_task("housekeeping")
def housekeeping(runtime: Runtime) -> None:
    """End what has run out, raise alarms for what is stuck, forget finished messages and old notices."""
    with runtime.database.unit() as unit:
        withdrawals.expire_overdue(unit.session, now=unit.now)
        approvals.expire_overdue(unit.session, now=unit.now)
    with runtime.database.unit() as unit:
        rows = stuck(unit.session, deadlines=runtime.deadlines, now=unit.now)
        raise_stuck_alarms(unit.session, rows=rows, now=unit.now)
    with runtime.database.unit() as unit:
        outbox.prune(unit.session, before=unit.now - KEEP_FINISHED)
        notices.prune(unit.session, before=unit.now - timedelta(days=runtime.settings.notices_kept_days))


def _where(here: ServedChain) -> dict[str, Any]:
    return {"chain": here.chain, "assets": here.assets, "start_height": here.start_height}
