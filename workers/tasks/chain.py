"""Following the chain, and what follows from it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from custody.bootstrap import Runtime, ServedChain
from custody.db import Unit
from custody.deposits import operations as deposits
from custody.deposits.watch import watch_mempool
from custody.movements import scan
from custody.returns import operations as returns
from custody.returns import queries as returned
from custody.trust.operations import in_force
from custody.withdrawals import operations as withdrawals
from workers import carrying
from workers.unit import chain_task, unit_task

_SEEN: defaultdict[str, set[str]] = defaultdict(set)
"""Each chain's mempool transactions this process has looked at; losing it costs a second look."""


@chain_task("chain.scan")
def scan_chain(runtime: Runtime, here: ServedChain) -> None:
    """Read new blocks, then look at what waits unconfirmed, then at what is being carried."""
    scan.scan(
        here.node,
        runtime.database,
        chain=here.chain,
        assets=here.assets,
        start_height=here.start_height,
        compare_every=here.compare_every,
        finality=here.deposit_rules.finality,
    )
    watch_mempool(
        here.node,
        runtime.database,
        chain=here.chain,
        config=here.deposit_rules,
        seen_before=_SEEN[here.chain],
        actor="chain",
    )
    carrying.follow(runtime, here)


@unit_task("movements.advanced")
def advanced(unit: Unit, runtime: Runtime, /, *, correlation_id: str, chain: str, **_: Any) -> None:
    """A block was read: payments first, for a reorg must undo them before the deposits they spent."""
    _follow(unit, runtime, chain, correlation_id)


@unit_task("movements.reorganised")
def reorganised(unit: Unit, runtime: Runtime, /, *, correlation_id: str, chain: str, **_: Any) -> None:
    """Blocks were undone."""
    _follow(unit, runtime, chain, correlation_id)


def _follow(unit: Unit, runtime: Runtime, chain: str, correlation_id: str) -> None:
    here = runtime.of(chain)
    withdrawals.observe(unit.session, chain=chain, rules=here.spend_rules, correlation_id=correlation_id, now=unit.now)
    deposits.advance(unit.session, chain=chain, config=here.deposit_rules, actor="chain", now=unit.now)
    if returned.are_any(unit.session, chain=chain):
        trust = in_force(unit.session)
        returns.follow(unit.session, chain=chain, trust=trust, rules=here.spend_rules, now=unit.now)
