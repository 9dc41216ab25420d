"""Following the chain: read where we are, ask the node without a unit open, write one block per short unit.

Safe to run twice at once and over the same blocks again: the stored tip is compared and set, and what is
recorded is named by (txid, position). A node that is not ready, on another network or behind us writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from custody.chains.port import Block, BlockNotFound, ChainReader, NodeStatus, WrongNetwork
from custody.db import Database
from custody.kernel.crash import crash_point
from custody.kernel.errors import Broken, Unavailable
from custody.movements import operations, queries
from custody.movements.model import Tip
from custody.movements.operations import TipMoved

OVERLAP: Final = 6
"""Blocks before the tip that are matched once more whenever there is a new one."""

_FORKS_PER_SCAN: Final = 3
_PAGE: Final = 100


class NodeBehind(Unavailable):
    """The node stands on our chain but below our tip: it lost blocks, which is no reorg."""

    code = "node-behind"


class BlockIncomplete(Unavailable):
    """The node shows only a part of what moved in the block: nothing of it is recorded."""

    code = "block-incomplete"


class NoCommonAncestor(Broken):
    """Not one block we read is on the node's chain: another chain, or one rewritten from before our first block."""

    code = "no-common-ancestor"


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What one scan did. ``more``: the limit ended it, the node has further blocks."""

    tip: Tip | None
    recorded: int
    removed: int
    more: bool


def scan(
    reader: ChainReader,
    database: Database,
    *,
    chain: str,
    assets: Collection[str],
    start_height: int,
    limit_blocks: int = 500,
    overlap: int = OVERLAP,
) -> ScanResult:
    """Follow the node for up to ``limit_blocks`` blocks from our tip, or from ``start_height`` the first time.

    Movements of ``assets`` (CAIP-19 ids) are recorded and of nothing else. Blocks that left the best chain are undone
    first; when there is something new, the last ``overlap`` blocks are matched again for addresses stored meanwhile.
    Another scanner moving the tip ends this scan quietly. Raises ``NodeUnavailable``, ``NodeNotReady``,
    ``WrongNetwork``, ``NodeBehind``, ``BlockIncomplete``, ``NoCommonAncestor``.
    """
    if reader.chain != chain:
        raise WrongNetwork("the reader is of another chain", chain=chain)
    run = _Run(reader, database, chain, assets, start_height)
    try:
        more = run.follow(limit_blocks, overlap)
    except (TipMoved, BlockNotFound):
        more = True
    return ScanResult(run.tip(), run.recorded, run.removed, more)


def look_again(reader: ChainReader, database: Database, *, chain: str, assets: Collection[str]) -> None:
    """Match the last ``OVERLAP`` blocks read once more, for a place stored since. Raises as ``scan`` does."""
    run = _Run(reader, database, chain, assets, 0)
    tip = run.tip()
    if tip is not None:
        run.look_again(tip, OVERLAP)


class _Run:
    def __init__(
        self, reader: ChainReader, database: Database, chain: str, assets: Collection[str], start_height: int
    ) -> None:
        self.reader, self.database, self.chain = reader, database, chain
        self.assets, self.start_height = frozenset(assets), start_height
        self.recorded = self.removed = 0

    def tip(self) -> Tip | None:
        with self.database.unit() as unit:
            return queries.tip(unit.session, chain=self.chain)

    def follow(self, limit_blocks: int, overlap: int) -> bool:
        for _ in range(_FORKS_PER_SCAN):
            status = self.reader.require_ready()
            tip = self._onto_best_chain(status)
            if tip is not None and tip.hash != status.hash:
                self.look_again(tip, overlap)
            if not self._forward(tip, limit_blocks):
                return self.recorded >= limit_blocks
        return True

    def _forward(self, tip: Tip | None, limit_blocks: int) -> bool:
        """Append blocks until there is none or the limit is reached; True when the chain forked under us."""
        while self.recorded < limit_blocks:
            block = self._block_at(self.start_height if tip is None else tip.height + 1)
            if block is None:
                return False
            if tip is not None and block.parent != tip.hash:
                return True
            tip = self._record(block, tip)
        return False

    def _record(self, block: Block, tip: Tip | None) -> Tip:
        with self.database.unit() as unit:
            recorded = operations.record_block(
                unit.session,
                chain=self.chain,
                block=block,
                expected_tip=tip,
                assets=self.assets,
                has_coins=self.reader.has_coins,
                now=unit.now,
            )
        crash_point("movements.block_recorded")
        self.recorded += 1
        return recorded.tip

    def _block_at(self, height: int) -> Block | None:
        block_hash = self.reader.block_hash(height)
        if block_hash is None:
            return None
        block = self._settled(self.reader.block(block_hash))
        crash_point("movements.block_fetched")
        return block

    def _settled(self, block: Block) -> Block:
        """The block as it is to be recorded. Coins are what they say; of balances, what arrived counts (I13)."""
        if self.reader.has_coins:
            return block
        with self.database.unit() as unit:
            ours = operations.locators_of_ours(unit.session, block=block, assets=self.assets)
        done = self.reader.settle(block, ours)
        if not done.block.is_complete:
            raise BlockIncomplete("the node shows only a part of what moved", chain=self.chain, height=block.height)
        if done.doubts:
            with self.database.unit() as unit:
                operations.record_doubts(unit.session, chain=self.chain, settled=done, now=unit.now)
        return done.block

    def _onto_best_chain(self, status: NodeStatus) -> Tip | None:
        tip = self.tip()
        if tip is None or self.reader.block_hash(tip.height) == tip.hash:
            return tip
        ancestor = self._ancestor(tip)
        if tip.height > status.height and ancestor == Tip(status.height, status.hash):
            raise NodeBehind("the node has not the blocks we read", chain=self.chain, height=status.height)
        with self.database.unit() as unit:
            heights = operations.disconnect(
                unit.session, chain=self.chain, to_height=ancestor.height, expected_tip=tip, now=unit.now
            )
        crash_point("movements.disconnected")
        self.removed += len(heights)
        return ancestor

    def _ancestor(self, tip: Tip) -> Tip:
        height = tip.height
        while True:
            with self.database.unit() as unit:
                page = queries.stored_below(unit.session, chain=self.chain, height=height, limit=_PAGE)
            for stored in page:
                if self.reader.block_hash(stored.height) == stored.hash:
                    return stored
            if not page:
                raise NoCommonAncestor("no block we read is on the node's chain", chain=self.chain)
            height = page[-1].height - 1

    def look_again(self, tip: Tip, overlap: int) -> None:
        with self.database.unit() as unit:
            stored = queries.stored_below(unit.session, chain=self.chain, height=tip.height, limit=overlap)
        for known in reversed(stored):
            block = self._settled(self.reader.block(known.hash))
            with self.database.unit() as unit:
                operations.rescan_block(
                    unit.session,
                    chain=self.chain,
                    block=block,
                    assets=self.assets,
                    has_coins=self.reader.has_coins,
                    now=unit.now,
                )
