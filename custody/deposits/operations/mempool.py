"""What is announced but not mined: shown, never counted."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.addresses import operations as addresses
from custody.addresses.model import AddressState
from custody.chains.port import ChainTransaction
from custody.chains.registry import addressing
from custody.deposits.model import DepositRules, is_capital, is_deposit
from custody.deposits.operations.rows import known, lock_chain, move, open_deposit
from custody.deposits.states import DepositEvent, DepositState
from custody.deposits.tables import SEEN, DepositRow
from custody.movements import operations as movements
from custody.movements.model import Arrival


@dataclass(frozen=True, slots=True)
class MempoolNoted:
    """Deposits newly seen and pending ones closed, by id."""

    seen: tuple[str, ...]
    closed: tuple[str, ...]


def note_mempool(
    session: Session,
    *,
    chain: str,
    transactions: Sequence[ChainTransaction],
    still_there: Set[str],
    config: DepositRules,
    actor: str,
    now: datetime,
) -> MempoolNoted:
    """Show ``transactions`` of the mempool as ``seen`` deposits, and close those whose transaction is gone.

    ``still_there``: which of the pending transactions (``queries.unconfirmed``) the mempool still holds. Replaced
    or dropped ones become ``orphaned``; should they be mined after all, they are deposits again.
    """
    lock_chain(session, chain)
    seen_now = movements.seen_in_mempool(session, chain=chain, transactions=transactions, assets=config.assets)
    native = addressing(chain).native.id
    arrivals = [item for item in seen_now if _ours(item, native)]
    seen = _show(session, chain, arrivals, config, actor, now)
    present = set(still_there) | {item.txid for item in transactions}
    closed = []
    for row in _pending(session, chain):
        if row.txid not in present:
            move(session, row, DepositEvent.VANISHED, actor=actor, now=now)
            closed.append(row.id)
    return MempoolNoted(tuple(seen), tuple(closed))


def _show(
    session: Session, chain: str, arrivals: Sequence[Arrival], rules: DepositRules, actor: str, now: datetime
) -> list[str]:
    rows = known(session, chain, ((item.txid, item.position) for item in arrivals))
    seen = []
    for item in arrivals:
        row = rows.get((item.txid, item.position))
        if row is None:
            row = open_deposit(
                session,
                chain=chain,
                outpoint=(item.txid, item.position),
                owner=item.owner,
                asset=item.asset,
                units=item.units,
                coinbase=False,
                event=DepositEvent.SEEN,
                block=None,
                rules=rules,
                actor=actor,
                now=now,
            )
        elif row.state == DepositState.ORPHANED:
            move(session, row, DepositEvent.SEEN, actor=actor, now=now)
        else:
            continue
        seen.append(row.id)
    _retire_unissued(session, arrivals)
    return seen


def _retire_unissued(session: Session, arrivals: Sequence[Arrival]) -> None:
    paid = {item.owner.address_id for item in arrivals if item.owner.state is AddressState.STOCK}
    if paid:
        addresses.retire(session, address_ids=paid)


def _pending(session: Session, chain: str) -> Sequence[DepositRow]:
    query = select(DepositRow).where(DepositRow.chain == chain, SEEN)
    return session.execute(query.order_by(DepositRow.id)).scalars().all()


def _ours(item: Arrival, native: str) -> bool:
    if is_capital(item.owner, asset=item.asset, native=native):
        return False
    return is_deposit(change=item.owner.change, own_spend=item.own_spend, units=item.units)
