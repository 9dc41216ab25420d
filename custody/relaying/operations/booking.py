"""The payer's movements into the books: what comes in is capital, the fee of a carriage a network fee, else an alarm.

Movements are booked as soon as they are read, for they are the house's own, and reversed when a reorganisation takes
them. So the ledger holds what the chain holds, but for what was read and not taken up yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from custody.chains.registry import addressing
from custody.kernel.crash import crash_point
from custody.kernel.money import Amount
from custody.ledger import operations as ledger
from custody.movements import queries as movements
from custody.movements.model import Movement
from custody.relaying.operations.carriages import ACTOR, landed, removed
from custody.relaying.operations.payers import locked, stop
from custody.relaying.tables import BookingRow, PayerRow

FEE_POSITION: Final = 0
"""Where a chain without coins shows the fee among what a transaction takes."""

_PAGE: Final = 1000


def take_up(session: Session, *, chain: str, account: str, now: datetime) -> int:
    """Take up every movement of the payer's money since the last time; how many there were.

    Something that left its place and is no fee of ours stops the payer: somebody else has its key. That is not
    booked, so that reconciliation shows it. Raises ``VaultOverdrawn`` where more left than ever came.
    """
    payer = locked(session, chain, account)
    assert payer is not None
    native, taken = addressing(chain).native.id, 0
    while changes := movements.changes(session, chain=chain, after=payer.change_id, limit=_PAGE):
        ours = [item for item in changes if item.vault == payer.vault_id and item.asset == native]
        for item in _in_order(ours):
            _take_up(session, payer, item, now)
        taken += len(ours)
        payer.change_id = changes[-1].change_id
        session.flush()
    crash_point("relaying.taken_up")
    return taken


def _in_order(items: Sequence[Movement]) -> list[Movement]:
    # What was undone goes back first, fees before the money they were paid of.
    gone = sorted((item for item in items if item.removed), key=lambda item: item.direction == "in")
    return [*gone, *(item for item in items if not item.removed)]


def _take_up(session: Session, payer: PayerRow, item: Movement, now: datetime) -> None:
    row = session.get(BookingRow, (item.chain, item.direction, item.txid, item.position))
    if item.removed:
        if row is not None and row.booked and row.height == item.height:
            _unbook(session, payer, row, item, now)
        return
    if item.direction == "out" and not _is_ours(session, payer, item, now):
        return
    if row is None:
        row = BookingRow(
            chain=item.chain,
            vault_id=payer.vault_id,
            direction=item.direction,
            txid=item.txid,
            position=item.position,
            units=item.units,
            occurrence=0,
            booked=False,
            height=item.height,
        )
        session.add(row)
    row.height = item.height
    if not row.booked:
        # Mined again in another block, the same transaction has another price.
        row.units = item.units
        _book(session, payer, row, now)


def _is_ours(session: Session, payer: PayerRow, item: Movement, now: datetime) -> bool:
    if item.position == FEE_POSITION and landed(
        session, txid=item.txid, height=item.height, fee_units=item.units, now=now
    ):
        return True
    why = f"transaction {item.txid} took {item.units} base units from the payer, and is none of ours"
    stop(session, chain=payer.chain, account=payer.account, why=why, actor=ACTOR, now=now)
    return False


def _book(session: Session, payer: PayerRow, row: BookingRow, now: datetime) -> None:
    row.occurrence, row.booked = row.occurrence + 1, True
    post = ledger.add_capital if row.direction == "in" else ledger.pay_network_fee
    post(
        session,
        subject=_subject(row),
        place=payer.vault_id,
        amount=Amount(addressing(row.chain).native.id, row.units),
        actor=ACTOR,
        now=now,
        occurrence=row.occurrence,
    )
    session.flush()


def _unbook(session: Session, payer: PayerRow, row: BookingRow, item: Movement, now: datetime) -> None:
    if row.direction == "out":
        # What was billed of it goes back before it does.
        removed(session, txid=item.txid, now=now)
    post = ledger.reverse_capital if row.direction == "in" else ledger.reverse_network_fee
    post(
        session,
        subject=_subject(row),
        place=payer.vault_id,
        amount=Amount(addressing(row.chain).native.id, row.units),
        actor=ACTOR,
        now=now,
        occurrence=row.occurrence,
    )
    row.booked = False
    session.flush()


def _subject(row: BookingRow) -> str:
    return f"payer:{row.direction}:{row.txid}:{row.position}"
