"""Reading the chain again after a restore: first everything that may have been shown is watched, then it is read.

Every step may run twice and be interrupted anywhere; units are short, and none is open while the node is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from custody.addresses import operations as addresses
from custody.addresses import queries as stock
from custody.addresses.model import derive
from custody.chains.port import ChainReader
from custody.db import Database
from custody.kernel.crash import crash_point
from custody.movements import operations as movements
from custody.movements import queries
from custody.movements.scan import ScanResult, scan, settled
from custody.restore import operations
from custody.restore import queries as restorations
from custody.restore.queries import Goal, Restoration
from custody.vaults import queries as vaults

BATCH: Final = 200
"""Indexes derived between two units."""


@dataclass(frozen=True, slots=True)
class Followed:
    """One chain to be read again: its node, what is recorded there, and where a first scan begins."""

    reader: ChainReader
    chain: str
    assets: Collection[str]
    start_height: int


def replay(database: Database, chains: Sequence[Followed], *, seal_key: bytes) -> Restoration | None:
    """Watch what was forgotten, match the blocks since the backup again, and read every chain on to its node's tip.

    Returns the restoration, or None where none is under way; ``operations.finish`` ends it after reconciling each
    chain. Raises what ``scan`` raises, ``KeysetTampered``, ``AddressTampered``.
    """
    with database.unit() as unit:
        found = restorations.current(unit.session)
    if found is None:
        return None
    if found.watched_at is None:
        for goal in found.goals:
            watch(database, goal, seal_key=seal_key)
        crash_point("restore.watched")
        for each in chains:
            _match_again(each, database, found.tips.get(each.chain, each.start_height))
        with database.unit() as unit:
            operations.mark_watched(unit.session, now=unit.now)
    for each in chains:
        while _scan(each, database).more:
            pass
    return found


def _scan(each: Followed, database: Database) -> ScanResult:
    return scan(each.reader, database, chain=each.chain, assets=each.assets, start_height=each.start_height)


def watch(database: Database, goal: Goal, *, seal_key: bytes) -> None:
    """Store every index up to the goal as burned: never handed out, always watched. Derived by two libraries."""
    while True:
        with database.unit() as unit:
            where = {"vault": goal.vault, "kept_for": goal.kept_for}
            highest = stock.highest_issued(unit.session, change=goal.change, **where)
            most = vaults.source_of(unit.session, vault=vaults.get(unit.session, vault=goal.vault)).last_index
            missing = min(goal.last, most) - (-1 if highest is None else highest)
            plan = addresses.plan_stock(
                unit.session, change=goal.change, target=min(missing, BATCH), seal_key=seal_key, **where
            )
        if plan is None:
            return
        derived = derive(plan)
        with database.unit() as unit:
            addresses.store(unit.session, plan=plan, derived=derived, seal_key=seal_key, now=unit.now, burned=True)
        crash_point("restore.batch_stored")


def _match_again(each: Followed, database: Database, since_height: int) -> None:
    """Blocks that were read after the restore and before everything was watched."""
    reader, height = each.reader, since_height + 1
    while True:
        with database.unit() as unit:
            known = queries.stored_hash(unit.session, chain=each.chain, height=height)
        if known is None or reader.block_hash(height) != known:
            return
        block = settled(reader, database, chain=each.chain, assets=each.assets, block=reader.block(known))
        with database.unit() as unit:
            movements.rescan_block(
                unit.session,
                chain=each.chain,
                block=block,
                assets=each.assets,
                has_coins=reader.has_coins,
                now=unit.now,
            )
        height += 1
