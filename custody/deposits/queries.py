"""Reading deposits: a client's, those on their way, sums, and what stands between chain and ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, select, tuple_
from sqlalchemy.orm import Session

from custody.deposits.model import Deposit
from custody.deposits.states import BOOKED, DepositState
from custody.deposits.tables import (
    SEEN,
    WAITING,
    DepositProgressRow,
    DepositRow,
    DepositTransitionRow,
    SuspendedAssetRow,
)
from custody.kernel.errors import NotFound
from custody.movements import queries as movements


class UnknownDeposit(NotFound):
    """No deposit of that id."""

    code = "unknown-deposit"


@dataclass(frozen=True, slots=True)
class DepositTotal:
    """Sums of what stands on the books, per client and vault; ``client`` is None for what is nobody's."""

    client: str | None
    vault: str
    asset: str
    credited: int
    dust: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Transition:
    """One move of one deposit."""

    step: int
    from_state: str
    to_state: str
    event: str
    actor: str


def by_id(session: Session, *, deposit: str) -> Deposit:
    """The deposit of that id. Raises ``UnknownDeposit``."""
    row = session.execute(select(DepositRow).where(DepositRow.id == deposit)).scalar_one_or_none()
    if row is None:
        raise UnknownDeposit("no such deposit", field="deposit")
    return view(row)


def by_outpoint(session: Session, *, chain: str, txid: str, position: int) -> Deposit | None:
    """The deposit of that outpoint, or None."""
    found = _deposits(session, DepositRow.chain == chain, DepositRow.txid == txid, DepositRow.position == position)
    return found[0] if found else None


def of_client(session: Session, *, client: str) -> list[Deposit]:
    """Every deposit to the client's addresses, oldest first."""
    return _deposits(session, DepositRow.client_id == client)


def page(
    session: Session, *, client: str = "", states: Sequence[DepositState] = (), after: str = "", limit: int
) -> list[Deposit]:
    """The next ``limit`` deposits behind the id ``after``, oldest first; of one client, in some states, where asked."""
    query = select(DepositRow).where(DepositRow.id > after).order_by(DepositRow.id).limit(limit)
    if client:
        query = query.where(DepositRow.client_id == client)
    if states:
        query = query.where(DepositRow.state.in_([state.value for state in states]))
    return [view(row) for row in session.execute(query.execution_options(populate_existing=True)).scalars()]


def every(session: Session) -> list[Deposit]:
    """All deposits, oldest first."""
    return _deposits(session)


def pending(session: Session, *, chain: str) -> list[Deposit]:
    """Those seen or confirming, oldest first."""
    return _deposits(session, DepositRow.chain == chain, WAITING)


def credited_among(session: Session, *, chain: str, outpoints: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """Those of ``outpoints`` (txid, position) the books credited to somebody: coins that may be spent for them."""
    wanted = sorted(set(outpoints))
    if not wanted:
        return set()
    rows = session.execute(
        select(DepositRow.txid, DepositRow.position).where(
            DepositRow.chain == chain,
            tuple_(DepositRow.txid, DepositRow.position).in_(wanted),
            DepositRow.state == DepositState.CREDITED.value,
            DepositRow.unbacked.is_(False),
        )
    )
    return {(row.txid, row.position) for row in rows}


def credited_at(session: Session, *, chain: str, vault: str, assets: Iterable[str]) -> dict[tuple[int, str], int]:
    """What stands credited to somebody at each address of the vault: base units by (address id, asset).

    An address whose newest movements were not taken up yet is left out: what stands there is not known to be right.
    """
    rows = session.execute(
        select(DepositRow.address_id, DepositRow.asset, func.sum(DepositRow.units))
        .where(
            DepositRow.vault_id == vault,
            DepositRow.asset.in_(sorted(set(assets))),
            DepositRow.state == DepositState.CREDITED.value,
            DepositRow.unbacked.is_(False),
        )
        .group_by(DepositRow.address_id, DepositRow.asset)
    )
    unsure = movements.places_arrived(session, chain=chain, vault=vault, after=_taken_up(session, chain))
    return {(place, asset): int(units) for place, asset, units in rows if place not in unsure}


def suspended(session: Session, *, chain: str | None = None) -> dict[str, str]:
    """The assets that are suspended, of ``chain`` alone where one is named, with why."""
    query = select(SuspendedAssetRow.asset, SuspendedAssetRow.reason)
    rows = session.execute(query if chain is None else query.where(SuspendedAssetRow.chain == chain))
    return {row.asset: row.reason for row in rows}


def unconfirmed(session: Session, *, chain: str) -> set[str]:
    """Transactions of deposits that are only seen: what to ask the mempool about."""
    return set(session.execute(select(DepositRow.txid).where(DepositRow.chain == chain, SEEN)).scalars())


def transitions(session: Session, *, deposit: str) -> list[Transition]:
    """Every move of the deposit, first to last."""
    rows = session.execute(
        select(DepositTransitionRow).where(DepositTransitionRow.subject == deposit).order_by(DepositTransitionRow.step)
    ).scalars()
    return [Transition(row.step, row.from_state, row.to_state, row.event, row.actor) for row in rows]


def totals(session: Session) -> list[DepositTotal]:
    """What the books hold of deposits, by client and vault."""
    key = (DepositRow.client_id, DepositRow.vault_id, DepositRow.asset)
    rows = session.execute(
        select(*key, *(_sum(state) for state in (DepositState.CREDITED, DepositState.DUST, DepositState.QUARANTINED)))
        .where(DepositRow.state.in_([state.value for state in BOOKED]))
        .group_by(*key)
        .order_by(*key)
    )
    return [DepositTotal(client, vault, asset, int(c), int(d), int(q)) for client, vault, asset, c, d, q in rows]


def in_flight(session: Session, *, vault: str, height: int) -> list[Deposit]:
    """On the chain at ``height`` and not in the ledger: what explains more coins than the books know.

    Movements nobody took up yet are not here: advance first.
    """
    return _deposits(
        session,
        DepositRow.vault_id == vault,
        DepositRow.state == DepositState.CONFIRMING.value,
        DepositRow.height <= height,
    )


def ahead_of(session: Session, *, vault: str, height: int) -> list[Deposit]:
    """In the ledger and not on the chain at ``height``: booked from later blocks, or unbacked after a reorg."""
    return _deposits(
        session,
        DepositRow.vault_id == vault,
        DepositRow.state.in_([state.value for state in BOOKED]),
        (DepositRow.height > height) | DepositRow.unbacked.is_(True),
    )


def _taken_up(session: Session, chain: str) -> int:
    change = session.execute(
        select(DepositProgressRow.change_id).where(DepositProgressRow.chain == chain)
    ).scalar_one_or_none()
    return 0 if change is None else change


def _sum(state: DepositState) -> Any:
    return func.coalesce(func.sum(case((DepositRow.state == state.value, DepositRow.units))), 0)


def _deposits(session: Session, *conditions: Any) -> list[Deposit]:
    query = select(DepositRow).where(*conditions).order_by(DepositRow.id)
    return [view(row) for row in session.execute(query.execution_options(populate_existing=True)).scalars()]


def view(row: DepositRow) -> Deposit:
    """The stored row as a value."""
    return Deposit(
        id=row.id,
        chain=row.chain,
        txid=row.txid,
        position=row.position,
        vault=row.vault_id,
        client=row.client_id,
        address_id=row.address_id,
        asset=row.asset,
        units=row.units,
        coinbase=row.coinbase,
        state=DepositState(row.state),
        required_depth=row.required_depth,
        height=row.height,
        block_hash=row.block_hash,
        reason=row.reason,
        occurrence=row.occurrence,
        is_unbacked=row.unbacked,
        first_seen_at=row.first_seen_at,
        booked_at=row.booked_at,
        mined_at=row.mined_at,
    )
