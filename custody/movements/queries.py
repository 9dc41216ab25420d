"""Reading what the chain did: tip, coins, movements. Heights are of the best chain as far as it was read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, case, func, or_, select, tuple_
from sqlalchemy.orm import Session

from custody.addresses import queries as addresses
from custody.chains.registry import has_coins
from custody.chains.spending import Finality
from custody.movements import statements
from custody.movements.model import Coin, Movement, Stray, Tip
from custody.movements.tables import (
    LIVE,
    BlockRow,
    CoinRow,
    ComparisonRow,
    MovementRow,
    OutcomeRow,
    ProgressRow,
    StrayRow,
)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Where a transaction of ours stands in the chain."""

    height: int
    block_hash: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How a signed spend ended. ``succeeded`` is False where it is used up and has paid nothing."""

    height: int
    txid: str
    succeeded: bool
    locator: bytes | None
    """Which place of ours says so; ``None`` where the transaction itself is the spend."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What came and what went, in base units."""

    came: int
    went: int


def tip(session: Session, *, chain: str, hold: bool = False) -> Tip | None:
    """The newest block read, or None before the first. ``hold``: no scanner moves it before this unit ends."""
    query = select(ProgressRow.height, ProgressRow.hash).where(ProgressRow.chain == chain)
    row = session.execute(query.with_for_update(read=True) if hold else query).one_or_none()
    return Tip(row.height, row.hash) if row else None


def tips(session: Session) -> list[tuple[str, int, datetime]]:
    """Of every chain: the newest height read, and when it was."""
    found = select(ProgressRow.chain, ProgressRow.height, ProgressRow.updated_at).order_by(ProgressRow.chain)
    return [(row.chain, row.height, row.updated_at) for row in session.execute(found)]


def stored_hash(session: Session, *, chain: str, height: int) -> str | None:
    """The hash of the block read at ``height``, or None."""
    return session.execute(
        select(BlockRow.hash).where(BlockRow.chain == chain, BlockRow.height == height)
    ).scalar_one_or_none()


def finalized(session: Session, *, chain: str) -> int | None:
    """The height up to which the node last said that nothing can be undone; None where it never did."""
    return session.execute(select(ProgressRow.finalized).where(ProgressRow.chain == chain)).scalar_one_or_none()


def is_final(session: Session, *, chain: str, height: int, tip: int, depth: int, finality: Finality) -> bool:
    """Whether what is at this height counts for good: as deep as that, or final as the node last said."""
    if finality is not Finality.FINALIZED:
        return tip - height + 1 >= depth
    last = finalized(session, chain=chain)
    return last is not None and height <= last


def first_in_part(session: Session, *, chain: str) -> int | None:
    """The first block of which the node showed a part and that no comparison of balances has covered since."""
    found: int | None = session.execute(statements.FIRST_IN_PART, {"chain": chain}).scalar_one()
    return found


def compared_up_to(session: Session, *, chain: str) -> Tip | None:
    """The block at which balances were last compared with all that was recorded, or None."""
    row = session.execute(
        select(ComparisonRow.height, ComparisonRow.hash)
        .where(ComparisonRow.chain == chain)
        .order_by(ComparisonRow.height.desc())
        .limit(1)
    ).one_or_none()
    return Tip(row.height, row.hash) if row else None


def strays(session: Session) -> list[Stray]:
    """What came to addresses of ours on chains that are not theirs, oldest first."""
    rows = session.execute(select(StrayRow).where(LIVE).order_by(StrayRow.id)).scalars()
    return _strays(session, list(rows))


def stray(session: Session, *, chain: str, txid: str, position: int) -> Stray | None:
    """The one that came with that transaction, at that position."""
    row = session.execute(
        select(StrayRow).where(StrayRow.chain == chain, StrayRow.txid == txid, StrayRow.position == position, LIVE)
    ).scalar_one_or_none()
    return _strays(session, [row])[0] if row else None


def stored_below(session: Session, *, chain: str, height: int, limit: int) -> list[Tip]:
    """Up to ``limit`` blocks read at ``height`` or below, newest first."""
    rows = session.execute(
        select(BlockRow.height, BlockRow.hash)
        .where(BlockRow.chain == chain, BlockRow.height <= height)
        .order_by(BlockRow.height.desc())
        .limit(limit)
    )
    return [Tip(row.height, row.hash) for row in rows]


def coins_of(session: Session, *, vault: str, asset: str) -> list[Coin]:
    """The vault's unspent coins of ``asset`` on the best chain, oldest first. Reservations are the spender's matter."""
    query = select(CoinRow).where(CoinRow.vault_id == vault, CoinRow.asset == asset, CoinRow.spent_by.is_(None))
    return _coins(session, query)


def coins(session: Session, *, chain: str, outpoints: Iterable[tuple[str, int]]) -> list[Coin]:
    """Those of ``outpoints`` (txid, position) that are unspent coins of ours."""
    wanted = sorted(set(outpoints))
    if not wanted:
        return []
    query = select(CoinRow).where(
        CoinRow.chain == chain, tuple_(CoinRow.txid, CoinRow.position).in_(wanted), CoinRow.spent_by.is_(None)
    )
    return _coins(session, query)


def coins_at(session: Session, *, vault: str, asset: str, height: int) -> list[Coin]:
    """The coins of ``asset`` the vault had after the block at ``height``."""
    query = select(CoinRow).where(
        CoinRow.vault_id == vault,
        CoinRow.asset == asset,
        CoinRow.created_height <= height,
        or_(CoinRow.spent_height.is_(None), CoinRow.spent_height > height),
    )
    return _coins(session, query)


def balance_at(session: Session, *, vault: str, asset: str, height: int) -> int:
    """What came in of ``asset`` less what went out, over all movements up to ``height``."""
    signed = case((MovementRow.direction == "in", MovementRow.units), else_=-MovementRow.units)
    total = session.execute(
        select(func.coalesce(func.sum(signed), 0)).where(
            MovementRow.vault_id == vault,
            MovementRow.asset == asset,
            MovementRow.height <= height,
            MovementRow.removed_at.is_(None),
        )
    ).scalar_one()
    return int(total)


def confirmation(session: Session, *, chain: str, txid: str) -> Confirmation | None:
    """The block in which ``txid`` spent coins of ours, or None while it has not."""
    row = session.execute(
        select(MovementRow.height, MovementRow.block_hash)
        .where(MovementRow.chain == chain, MovementRow.spent_by == txid, MovementRow.removed_at.is_(None))
        .limit(1)
    ).one_or_none()
    return Confirmation(row.height, row.block_hash) if row else None


def confirmed_spends(session: Session, *, chain: str, txids: Iterable[str]) -> dict[str, int]:
    """Those of ``txids`` that spent coins of ours on the best chain, with the height each is at."""
    wanted = sorted(set(txids))
    if not wanted:
        return {}
    rows = session.execute(
        select(MovementRow.spent_by, MovementRow.height)
        .where(MovementRow.chain == chain, MovementRow.spent_by.in_(wanted), MovementRow.removed_at.is_(None))
        .distinct()
    )
    return {row.spent_by: row.height for row in rows if row.spent_by is not None}


def ended_spends(session: Session, *, chain: str, spends: Iterable[str]) -> dict[str, Ended]:
    """Those of ``spends`` that ended on the best chain: with coins by taking one, else as a place of ours says."""
    wanted = sorted(set(spends))
    if not wanted:
        return {}
    if has_coins(chain):
        heights = confirmed_spends(session, chain=chain, txids=wanted)
        return {spend: Ended(height, spend, succeeded=True, locator=None) for spend, height in heights.items()}
    rows = session.execute(
        select(OutcomeRow).where(
            OutcomeRow.chain == chain, OutcomeRow.spend.in_(wanted), OutcomeRow.removed_at.is_(None)
        )
    ).scalars()
    return {row.spend: Ended(row.height, row.txid, row.succeeded, row.locator) for row in rows}


def turns_used(session: Session, *, chain: str, locators: Iterable[bytes]) -> dict[bytes, int]:
    """How many spends of each place ended on the best chain: each used a turn of it."""
    return {place: len(heights) for place, heights in turn_heights(session, chain=chain, locators=locators).items()}


def turn_heights(session: Session, *, chain: str, locators: Iterable[bytes]) -> dict[bytes, list[int]]:
    """The height at which each turn of these places was used on the best chain, turn 0 first."""
    wanted = sorted(set(locators))
    if not wanted:
        return {}
    rows = session.execute(
        select(OutcomeRow.locator, OutcomeRow.height)
        .where(OutcomeRow.chain == chain, OutcomeRow.locator.in_(wanted), OutcomeRow.removed_at.is_(None))
        .order_by(OutcomeRow.height, OutcomeRow.id)
    )
    found: dict[bytes, list[int]] = {}
    for place, height in rows:
        found.setdefault(place, []).append(height)
    return found


def sums_of(session: Session, *, vault: str, assets: Iterable[str]) -> dict[tuple[int, str], Sums]:
    """What came to and went from each address of a vault of ``assets``, over all movements that stand."""
    total = {
        name: func.coalesce(func.sum(case((MovementRow.direction == name, MovementRow.units))), 0)
        for name in ("in", "out")
    }
    rows = session.execute(
        select(MovementRow.address_id, MovementRow.asset, total["in"], total["out"])
        .where(
            MovementRow.vault_id == vault,
            MovementRow.asset.in_(sorted(set(assets))),
            MovementRow.removed_at.is_(None),
        )
        .group_by(MovementRow.address_id, MovementRow.asset)
    )
    return {(place, asset): Sums(int(came), int(went)) for place, asset, came, went in rows}


def places_arrived(session: Session, *, chain: str, vault: str, after: int) -> set[int]:
    """Addresses of the vault where an arrival was recorded or removed since change ``after``."""
    rows = session.execute(
        select(MovementRow.address_id)
        .where(
            MovementRow.chain == chain,
            MovementRow.change_id > after,
            MovementRow.vault_id == vault,
            MovementRow.direction == "in",
        )
        .distinct()
    )
    return set(rows.scalars())


def spender_of(session: Session, *, chain: str, txid: str, position: int) -> str | None:
    """The transaction that spent this outpoint of ours on the best chain, or None."""
    return session.execute(
        select(CoinRow.spent_by).where(CoinRow.chain == chain, CoinRow.txid == txid, CoinRow.position == position)
    ).scalar_one_or_none()


def last_change(session: Session, *, chain: str) -> int:
    """The newest change of the chain, 0 before the first."""
    query = select(func.max(MovementRow.change_id)).where(MovementRow.chain == chain)
    return session.execute(query).scalar_one() or 0


def changes(session: Session, *, chain: str, after: int, limit: int) -> list[Movement]:
    """What was recorded or removed since change ``after``, in the order it was committed, at most ``limit``."""
    return _movements(
        session,
        select(MovementRow)
        .where(MovementRow.chain == chain, MovementRow.change_id > after)
        .order_by(MovementRow.change_id)
        .limit(limit),
    )


def block_times(session: Session, *, chain: str, heights: Iterable[int]) -> dict[str, datetime]:
    """When the blocks at ``heights`` were made, by their hash, as their headers say; of those whose time was kept."""
    wanted = sorted(set(heights))
    if not wanted:
        return {}
    query = select(BlockRow.hash, BlockRow.mined_at).where(BlockRow.chain == chain, BlockRow.height.in_(wanted))
    return {name: at for name, at in session.execute(query) if at is not None}


def block_time(session: Session, *, chain: str, height: int) -> datetime | None:
    """When the block at this height was made, as its header says; None where that was not kept."""
    return next(iter(block_times(session, chain=chain, heights=(height,)).values()), None)


def movements_of(session: Session, *, vault: str, up_to_height: int | None = None) -> list[Movement]:
    """The vault's movements that stand, in chain order."""
    query = select(MovementRow).where(MovementRow.vault_id == vault, MovementRow.removed_at.is_(None))
    if up_to_height is not None:
        query = query.where(MovementRow.height <= up_to_height)
    return _movements(session, query.order_by(MovementRow.height, MovementRow.id))


def _movements(session: Session, query: Select[MovementRow]) -> list[Movement]:
    return [
        Movement(
            change_id=row.change_id,
            chain=row.chain,
            direction=row.direction,
            vault=row.vault_id,
            address_id=row.address_id,
            change=row.change,
            own_spend=row.own_spend,
            coinbase=row.coinbase,
            txid=row.txid,
            position=row.position,
            spent_by=row.spent_by,
            asset=row.asset,
            units=row.units,
            height=row.height,
            block_hash=row.block_hash,
            removed=row.removed_at is not None,
            since=row.since,
        )
        for row in session.execute(query.execution_options(populate_existing=True)).scalars()
    ]


def _coins(session: Session, query: Select[CoinRow]) -> list[Coin]:
    ordered = query.order_by(CoinRow.created_height, CoinRow.txid, CoinRow.position)
    return [
        Coin(
            chain=row.chain,
            txid=row.txid,
            position=row.position,
            vault=row.vault_id,
            address_id=row.address_id,
            change=row.change,
            locator=row.locator,
            asset=row.asset,
            units=row.units,
            coinbase=row.coinbase,
            height=row.created_height,
            block_hash=row.created_hash,
        )
        for row in session.execute(ordered.execution_options(populate_existing=True)).scalars()
    ]


def _strays(session: Session, rows: Sequence[StrayRow]) -> list[Stray]:
    places = {
        place.address_id: place.address for place in addresses.placed(session, ids={row.address_id for row in rows})
    }
    return [
        Stray(
            chain=row.chain,
            txid=row.txid,
            position=row.position,
            vault=row.vault_id,
            client=row.client_id,
            address=places[row.address_id],
            locator=row.locator,
            asset=row.asset,
            units=row.units,
            height=row.height,
            block_hash=row.block_hash,
        )
        for row in rows
    ]
