"""Comparing balances with what was recorded, where a node shows only a part of what moves.

What blocks told is recorded as they are read; what they did not tell shows in balances. All places of ours on a chain
are asked for at one block, thousands a call, every so many blocks; what differs is recorded there, named by its place
and the two blocks, so that whoever dies between asking and writing asks again and finds no more and no less.
"""

from __future__ import annotations

from collections.abc import Collection

from custody.chains.port import AssetSilent, ChainReader, ChainTransaction, StateForgotten
from custody.db import Database
from custody.kernel.crash import crash_point
from custody.movements import operations
from custody.movements.model import Comparison, Tip


def compare(
    reader: ChainReader, database: Database, *, chain: str, assets: Collection[str], until: Tip, every: int
) -> bool:
    """Compare at ``until``, a block that was read, if ``every`` blocks are waiting for it; whether it was done or due.

    False where the node has no balances of that block any more: a newer one will do. An asset that does not answer is
    left out and asked again. Raises ``TipMoved`` and ``NodeUnavailable``.
    """
    with database.unit() as unit:
        planned = operations.plan_comparison(unit.session, chain=chain, assets=assets, until=until, every=every)
    if planned is None:
        return True
    try:
        found, silent = _ask(reader, planned, assets)
    except StateForgotten:
        return False
    crash_point("movements.balances_read")
    with database.unit() as unit:
        operations.record_comparison(
            unit.session, chain=chain, comparison=planned, found=found, silent=silent, assets=assets, now=unit.now
        )
    return True


def _ask(reader: ChainReader, planned: Comparison, assets: Collection[str]) -> tuple[list[ChainTransaction], list[str]]:
    found: list[ChainTransaction] = []
    silent: list[str] = []
    for asset in sorted(assets):
        own = {place: units for place, units in planned.recorded.items() if place[1] == asset}
        try:
            found += reader.unseen(own, since=planned.since, until=planned.until.hash)
        except AssetSilent:
            silent.append(asset)
    return found, silent
