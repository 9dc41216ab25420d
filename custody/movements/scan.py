"""Following the chain: read where we are, ask the node without a unit open, write one block per short unit.

Safe to run twice at once and over the same blocks again: the stored tip is compared and set, and what is
recorded is named by (txid, position). A node that is not ready, on another network or behind us writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from custody.addresses import queries as addresses
from custody.chains.port import Block, BlockNotFound, ChainReader, NodesDisagree, NodeStatus, NoFinality, WrongNetwork
from custody.chains.spending import Finality
from custody.db import Database
from custody.kernel.crash import crash_point
from custody.kernel.errors import Broken, Unavailable
from custody.movements import operations, queries
from custody.movements.comparing import compare
from custody.movements.model import Tip
from custody.movements.operations import TipMoved
from custody.vaults import operations as vaults

COMPARE_EVERY: Final = 10
"""Blocks after which balances are compared where a node shows a part: two minutes, with one in twelve seconds."""

OVERLAP: Final = 6
"""Blocks before the tip that are matched once more whenever there is a new one."""

_FORKS_PER_SCAN: Final = 3
_PAGE: Final = 100


class NodeBehind(Unavailable):
    """The node stands on our chain but below our tip: it lost blocks, which is no reorg."""

    code = "node-behind"


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
    compare_every: int = COMPARE_EVERY,
    finality: Finality = Finality.DEPTH,
) -> ScanResult:
    """Follow the node for up to ``limit_blocks`` blocks from our tip, or from ``start_height`` the first time.

    Movements of ``assets`` (CAIP-19 ids) are recorded and of nothing else. Blocks that left the best chain are undone
    first; when there is something new, the last ``overlap`` blocks are matched again for addresses stored meanwhile.
    Where the node shows a part of a block, balances are compared at the newest block, at the latest ``compare_every``
    blocks later. A block that may have changed the rules of a place of ours is recorded in one unit with the freeze of
    its vault. Another scanner moving the tip ends this scan quietly. Raises ``NodeUnavailable``, ``NodeNotReady``,
    ``NodesDisagree`` (with an alarm), ``WrongNetwork``, ``NodeBehind``, ``NoCommonAncestor``, and ``NoFinality`` where
    the node does not know ``finality``.
    """
    if reader.chain != chain:
        raise WrongNetwork("the reader is of another chain", chain=chain)
    check_finality(reader, finality)
    run = _Run(reader, database, chain, assets, start_height)
    try:
        more = run.follow(limit_blocks, overlap)
        if not more:
            run.compare(compare_every)
        run.note_finalized()
    except (TipMoved, BlockNotFound):
        more = True
    except NodesDisagree as error:
        with database.unit() as unit:
            operations.alarm_disagreement(unit.session, chain=chain, why=error.message, now=unit.now)
        raise
    return ScanResult(run.tip(), run.recorded, run.removed, more)


def check_finality(reader: ChainReader, finality: Finality) -> None:
    """Raise ``NoFinality`` where blocks are to count when they are final, and the node does not know which are.

    Asked at the start too: depth never stands in for it.
    """
    if finality is Finality.FINALIZED and reader.finalized_height() is None:
        raise NoFinality("the node does not say which blocks are final", chain=reader.chain)


def settled(reader: ChainReader, database: Database, *, chain: str, assets: Collection[str], block: Block) -> Block:
    """The block as it is to be recorded. Coins are what they say; of balances, what arrived counts (I13)."""
    if reader.has_coins:
        return block
    with database.unit() as unit:
        ours = operations.locators_of_ours(unit.session, block=block, assets=assets)
    done = reader.settle(block, ours)
    if done.doubts:
        with database.unit() as unit:
            operations.record_doubts(unit.session, chain=chain, settled=done, now=unit.now)
    return done.block


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

    def compare(self, every: int) -> None:
        tip = self.tip()
        if tip is not None and not self.reader.has_coins:
            compare(self.reader, self.database, chain=self.chain, assets=self.assets, until=tip, every=every)

    def note_finalized(self) -> None:
        """Keep how far nothing can be undone, if the block there is the one we read."""
        height, tip = self.reader.finalized_height(), self.tip()
        if height is None or tip is None:
            return
        height = min(height, tip.height)
        with self.database.unit() as unit:
            known = queries.stored_hash(unit.session, chain=self.chain, height=height)
        if known is None or self.reader.block_hash(height) != known:
            return
        with self.database.unit() as unit:
            operations.note_finalized(unit.session, chain=self.chain, final=Tip(height, known))

    def _record(self, block: Block, tip: Tip | None) -> Tip:
        changed = self._changed_rules(block)
        with self.database.unit() as unit:
            for vault, locator, sentences in changed:
                vaults.freeze_changed(
                    unit.session, vault=vault, locator=locator, sentences=sentences, actor="scan", now=unit.now
                )
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

    def _changed_rules(self, block: Block) -> list[tuple[str, bytes, list[str]]]:
        """(vault, place, what differs) of those places of ours the block touched that obey others than they should."""
        touched = {locator for transaction in block.transactions for locator in transaction.touched}
        if not touched:
            return []
        with self.database.unit() as unit:
            ours = addresses.ruled(unit.session, chain=self.chain, locators=touched)
        if not ours:
            return []
        changed = self.reader.changed_rules([item.place for item in ours], block_hash=block.hash)
        whose = {item.place.locator: item.vault for item in ours}
        return [(whose[locator], locator, sentences) for locator, sentences in sorted(changed.items())]

    def _settled(self, block: Block) -> Block:
        return settled(self.reader, self.database, chain=self.chain, assets=self.assets, block=block)

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
