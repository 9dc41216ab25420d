"""From movements to deposits to the books, for one chain, in one unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, TextClause, select
from sqlalchemy.orm import Session

from custody.addresses import queries as addresses
from custody.addresses.model import OwnedAddress
from custody.chains.registry import addressing
from custody.chains.spending import Finality
from custody.deposits import queries
from custody.deposits.model import IN_DOUBT, DepositRules, is_capital, is_deposit
from custody.deposits.operations.booking import book, unbook
from custody.deposits.operations.doubting import judge_doubts
from custody.deposits.operations.rows import Mined, known, lock_chain, move, open_deposit, put_in
from custody.deposits.states import BOOKED, DepositEvent
from custody.deposits.tables import CONFIRMING, UNBACKED, DepositProgressRow, DepositRow
from custody.kernel.crash import crash_point
from custody.movements import queries as movements
from custody.movements.model import Movement

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Advanced:
    """What one advance did, by deposit id."""

    mined: tuple[str, ...]
    booked: tuple[str, ...]
    removed: tuple[str, ...]
    """Left the best chain: booked ones were reversed, or wait for it as unbacked."""


def advance(session: Session, *, chain: str, config: DepositRules, actor: str, now: datetime) -> Advanced:
    """Take up every movement recorded since the last time, then book what is deep enough.

    A movement is taken up once; an outpoint has one deposit for ever. Run it after each ``movements.advanced``
    and ``movements.reorganised``; running it again, or twice at once, changes nothing more. The stored tip
    cannot move meanwhile. Nothing is booked from a block of which the node showed a part before balances were compared
    at it or after it, and what is of a suspended asset is booked as nobody's. Raises ``NoDepositRules``: an asset's
    rules are not to be taken away while it is awaited.
    """
    progress = lock_chain(session, chain)
    tip = movements.tip(session, chain=chain, hold=True)
    run = _Run(session, chain, config, actor, now)
    judge_doubts(session, chain=chain, rules=config, actor=actor, now=now)
    run.take_up_all(progress)
    crash_point("deposits.taken_up")
    run.reverse_unbacked()
    if tip is not None:
        run.book_due(tip.height)
    session.flush()
    crash_point("deposits.booked")
    return Advanced(tuple(run.mined), tuple(run.booked), tuple(run.removed))


class _Run:
    def __init__(self, session: Session, chain: str, rules: DepositRules, actor: str, now: datetime) -> None:
        self.session, self.chain, self.rules, self.actor, self.now = session, chain, rules, actor, now
        self.native = addressing(chain).native.id
        self.mined: list[str] = []
        self.booked: list[str] = []
        self.removed: list[str] = []

    def take_up_all(self, progress: DepositProgressRow) -> None:
        while changes := movements.changes(self.session, chain=self.chain, after=progress.change_id, limit=_PAGE):
            self._take_up([item for item in changes if _concerns(item)])
            progress.change_id = changes[-1].change_id
            self.session.flush()

    def reverse_unbacked(self) -> None:
        for row in self._rows(UNBACKED):
            unbook(self.session, row, actor=self.actor, now=self.now)

    def book_due(self, tip_height: int) -> None:
        due = self._rows(CONFIRMING, *self._counts(tip_height))
        suspended = queries.suspended(self.session, chain=self.chain) if due else {}
        # The rows go to the database together at the end, not one by one before each posting.
        with self.session.no_autoflush:
            for row in due:
                if row.reason is None and row.asset in suspended:
                    row.reason = IN_DOUBT
                book(self.session, row, actor=self.actor, now=self.now)
                self.booked.append(row.id)

    def _counts(self, tip_height: int) -> list[ColumnElement[bool]]:
        """When a deposit counts: deep enough or final, and in no block of which a part may be missing."""
        if self.rules.finality is Finality.FINALIZED:
            finalized = movements.finalized(self.session, chain=self.chain)
            conditions = [DepositRow.height <= (-1 if finalized is None else finalized)]
        else:
            conditions = [DepositRow.height + DepositRow.required_depth - 1 <= tip_height]
        in_part = movements.first_in_part(self.session, chain=self.chain)
        return conditions if in_part is None else [*conditions, DepositRow.height < in_part]

    def _take_up(self, changes: Sequence[Movement]) -> None:
        rows = known(self.session, self.chain, ((item.txid, item.position) for item in changes))
        stand = [item for item in changes if not item.removed]
        owners = addresses.by_ids(self.session, {item.address_id for item in stand})
        times = movements.block_times(self.session, chain=self.chain, heights={item.height for item in stand})
        for item in changes:
            row = rows.get((item.txid, item.position))
            if not item.removed and is_capital(owners[item.address_id], asset=item.asset, native=self.native):
                continue
            if item.removed:
                self._remove(item, row)
                continue
            block = Mined(item.height, item.block_hash, times.get(item.block_hash))
            if row is None:
                rows[(item.txid, item.position)] = self._open(item, owners[item.address_id], block)
            else:
                self._mine(row, block)

    def _open(self, item: Movement, owner: OwnedAddress, block: Mined) -> DepositRow:
        row = open_deposit(
            self.session,
            chain=self.chain,
            outpoint=(item.txid, item.position),
            owner=owner,
            asset=item.asset,
            units=item.units,
            coinbase=item.coinbase,
            event=DepositEvent.MINED,
            block=block,
            rules=self.rules,
            actor=self.actor,
            now=self.now,
        )
        self.mined.append(row.id)
        return row

    def _mine(self, row: DepositRow, block: Mined) -> None:
        if row.block_hash == block.hash and not row.unbacked:
            return
        put_in(row, block)
        if row.unbacked:
            row.unbacked = False
            return
        move(self.session, row, DepositEvent.MINED, actor=self.actor, now=self.now)
        self.mined.append(row.id)

    def _remove(self, item: Movement, row: DepositRow | None) -> None:
        if row is None or row.block_hash != item.block_hash or row.unbacked:
            return
        self.removed.append(row.id)
        if row.state in BOOKED:
            unbook(self.session, row, actor=self.actor, now=self.now)
            return
        put_in(row, None)
        move(self.session, row, DepositEvent.REMOVED, actor=self.actor, now=self.now)

    def _rows(self, *conditions: ColumnElement[bool] | TextClause) -> Sequence[DepositRow]:
        query = select(DepositRow).where(DepositRow.chain == self.chain, *conditions)
        ordered = query.order_by(DepositRow.height, DepositRow.txid, DepositRow.position)
        return self.session.execute(ordered).scalars().all()


def _concerns(item: Movement) -> bool:
    return item.direction == "in" and is_deposit(change=item.change, own_spend=item.own_spend, units=item.units)
