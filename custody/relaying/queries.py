"""Reading payers, carriages and loads."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.orm import Session

from custody.chains.carrying import Bid
from custody.relaying.model import Cost, Load, PayerStanding, StoredCarriage, Variant
from custody.relaying.states import CarriageState, LoadState
from custody.relaying.tables import CarriageRow, LoadRow, PayerRow, ShareRow, VariantRow


def payer(session: Session, *, chain: str, account: str) -> PayerStanding | None:
    """The payer as we know it, or None before it was registered."""
    row = session.execute(
        select(PayerRow).where(PayerRow.chain == chain, PayerRow.account == account)
    ).scalar_one_or_none()
    return None if row is None else view_payer(row)


def payers(session: Session, *, chain: str) -> list[PayerStanding]:
    """Every account that ever paid on the chain, the oldest first."""
    query = select(PayerRow).where(PayerRow.chain == chain).order_by(PayerRow.registered_at, PayerRow.account)
    return [view_payer(row) for row in session.execute(query).scalars()]


def load(session: Session, *, chain: str, spend: str) -> Load | None:
    """The spend as it was offered, or None."""
    row = session.execute(
        select(LoadRow).where(LoadRow.chain == chain, LoadRow.spend == spend).execution_options(populate_existing=True)
    ).scalar_one_or_none()
    return None if row is None else view_load(row)


def waiting(session: Session, *, chain: str, limit: int, after: Load | None = None) -> list[Load]:
    """What waits to be carried, the oldest first; with ``after``, what was offered later than that."""
    query = (
        select(LoadRow)
        .where(LoadRow.chain == chain, LoadRow.state == LoadState.WAITING)
        .order_by(LoadRow.offered_at, LoadRow.spend)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(LoadRow.offered_at, LoadRow.spend) > (after.offered_at, after.spend))
    return [view_load(row) for row in session.execute(query).scalars()]


def ended_among(session: Session, *, chain: str, spends: Collection[str]) -> frozenset[str]:
    """Those of these spends of which the node once said that their turn was used up."""
    query = select(LoadRow.spend).where(
        LoadRow.chain == chain, LoadRow.state == LoadState.ENDED, LoadRow.spend.in_(spends)
    )
    return frozenset(session.execute(query).scalars())


def claims_riding(session: Session, *, chain: str) -> frozenset[str]:
    """What the loads that ride now would use up."""
    query = select(LoadRow.claim).where(LoadRow.chain == chain, LoadRow.state == LoadState.RIDING)
    return frozenset(session.execute(query).scalars())


def loads_of(session: Session, *, carriage: str, state: LoadState | None = None) -> list[Load]:
    """The loads whose newest carriage is this one, in that state or in any."""
    query = select(LoadRow).where(LoadRow.carriage_id == carriage).order_by(LoadRow.offered_at, LoadRow.spend)
    if state is not None:
        query = query.where(LoadRow.state == state)
    return [view_load(row) for row in session.execute(query).scalars()]


def landed(session: Session, *, chain: str, account: str) -> dict[str, list[Load]]:
    """Loads that still ride on carriages that are in a block, by carriage."""
    query = (
        select(LoadRow)
        .join(CarriageRow, CarriageRow.id == LoadRow.carriage_id)
        .where(
            LoadRow.chain == chain,
            LoadRow.state == LoadState.RIDING,
            CarriageRow.account == account,
            CarriageRow.height.is_not(None),
        )
        .order_by(CarriageRow.number, LoadRow.spend)
        .execution_options(populate_existing=True)
    )
    found: dict[str, list[Load]] = {}
    for row in session.execute(query).scalars():
        found.setdefault(row.carriage_id or "", []).append(view_load(row))
    return found


def carriage(session: Session, *, carriage: str) -> StoredCarriage:
    """The carriage of that id."""
    return _carriages(session, select(CarriageRow).where(CarriageRow.id == carriage))[0]


def carriages(session: Session, *, chain: str, account: str, states: Sequence[CarriageState]) -> list[StoredCarriage]:
    """The payer's carriages in these states, by number."""
    return _carriages(
        session,
        select(CarriageRow).where(
            CarriageRow.chain == chain, CarriageRow.account == account, CarriageRow.state.in_(states)
        ),
    )


def gas_of(session: Session, *, spend: str) -> int | None:
    """A spend's share, in the chain's own asset, of the fees of confirmed carriages; None before there is one."""
    found = cost_of(session, spend=spend)
    return None if found is None else found.units


def cost_of(session: Session, *, spend: str) -> Cost | None:
    """The same, with what its client was billed of it."""
    return costs_of(session, spends=[spend]).get(spend)


def costs_of(session: Session, *, spends: Collection[str]) -> dict[str, Cost]:
    """The same of each of ``spends`` that has one, in one statement."""
    if not spends:
        return {}
    rows = session.execute(
        select(
            ShareRow.spend, func.sum(ShareRow.fee_units).label("units"), func.sum(ShareRow.billed_units).label("billed")
        )
        .join(CarriageRow, CarriageRow.id == ShareRow.carriage_id)
        .where(ShareRow.spend.in_(sorted(set(spends))), CarriageRow.state == CarriageState.CONFIRMED)
        .group_by(ShareRow.spend)
    )
    return {row.spend: Cost(int(row.units), int(row.billed)) for row in rows if row.units is not None}


def view_payer(row: PayerRow) -> PayerStanding:
    """The row as other rooms see it."""
    return PayerStanding(
        chain=row.chain,
        account=row.account,
        vault=row.vault_id,
        next_number=row.next_number,
        is_low=row.low_since is not None,
        stopped_reason=row.stopped_reason,
    )


def view_load(row: LoadRow) -> Load:
    """The row as other rooms see it."""
    return Load(
        chain=row.chain,
        spend=row.spend,
        claim=row.claim,
        final=row.final,
        client=row.client,
        ceiling_units=row.ceiling_units,
        state=LoadState(row.state),
        carriage=row.carriage_id,
        tries=row.tries,
        waiting_for=row.waiting_for,
        offered_at=row.offered_at,
    )


def _carriages(session: Session, query: Select[CarriageRow]) -> list[StoredCarriage]:
    rows = session.execute(query.order_by(CarriageRow.number).execution_options(populate_existing=True)).scalars().all()
    ids = [row.id for row in rows]
    variants: dict[str, list[VariantRow]] = {found: [] for found in ids}
    for variant in session.execute(
        select(VariantRow)
        .where(VariantRow.carriage_id.in_(ids))
        .order_by(VariantRow.sequence)
        .execution_options(populate_existing=True)
    ).scalars():
        variants[variant.carriage_id].append(variant)
    return [_view_carriage(row, variants[row.id]) for row in rows]


def _view_carriage(row: CarriageRow, variants: Sequence[VariantRow]) -> StoredCarriage:
    return StoredCarriage(
        id=row.id,
        chain=row.chain,
        account=row.account,
        number=row.number,
        state=CarriageState(row.state),
        variants=tuple(
            Variant(item.txid, item.raw, item.weight_limit, Bid(item.rate, item.tip), tuple(item.spends), item.outcome)
            for item in variants
        ),
        txid=row.txid,
        height=row.height,
        fee_units=row.fee_units,
        raise_asked=row.raise_asked,
        waiting_for=row.waiting_for,
        newest_at=variants[-1].built_at,
    )
