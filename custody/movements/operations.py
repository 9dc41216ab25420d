"""Recording blocks and undoing them. Whoever moves the tip compares and sets it: nobody moves it twice."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.addresses import operations as addresses
from custody.addresses.model import AddressState, OwnedAddress
from custody.addresses.queries import by_locators, of_chain
from custody.audit import operations as audit
from custody.chains.port import Block, ChainTransaction, Settled
from custody.kernel.crash import crash_point
from custody.kernel.errors import Broken, Conflict
from custody.movements import queries, statements
from custody.movements.model import (
    Arrival,
    Comparison,
    Doubted,
    Matches,
    Tip,
    arrivals_in,
    enders_in,
    locators_in,
    match_block,
    outcome_rows,
    rows_of,
    stray_rows,
)
from custody.movements.tables import BlockRow, CoinRow, ComparisonRow, DoubtRow, ProgressRow
from custody.outbox import operations as outbox


class TipMoved(Conflict):
    """The stored tip is not the one this was read against: somebody else scanned on, or the chain changed."""

    code = "tip-moved"


class UnknownBlock(Broken):
    """There is no stored block to go back to."""

    code = "unknown-block"


@dataclass(frozen=True, slots=True)
class BlockRecorded:
    """What one block brought."""

    tip: Tip
    arrivals: int
    departures: int


def record_block(
    session: Session,
    *,
    chain: str,
    block: Block,
    expected_tip: Tip | None,
    assets: Collection[str],
    has_coins: bool,
    now: datetime,
) -> BlockRecorded:
    """Append ``block`` to what was read, with all it did to our vaults, and emit ``movements.advanced``.

    ``expected_tip`` is the tip this was read against (None: nothing read yet). Only ``assets`` are recorded; coins
    are where ``has_coins``, movements everywhere. The number of statements does not depend on how many addresses
    were issued. Raises ``TipMoved``, before anything is written.
    """
    if expected_tip is not None and (block.parent, block.height) != (expected_tip.hash, expected_tip.height + 1):
        raise TipMoved("the block does not follow the tip", chain=chain, height=block.height)
    tip = Tip(block.height, block.hash)
    _move_tip(session, chain, expected_tip, tip, now)
    row: dict[str, Any] = {
        "chain": chain,
        "height": block.height,
        "hash": block.hash,
        "parent": block.parent,
        "scanned_at": now,
    }
    row |= {"complete": block.is_complete, "mined_at": block.time}
    session.execute(insert(BlockRow).values(row))
    matches = _apply(session, chain, block, assets, has_coins, now)
    crash_point("movements.block_recording")
    _emit(session, "movements.advanced", chain, tip, now)
    return BlockRecorded(tip, len(matches.arrivals), len(matches.departures))


def rescan_block(
    session: Session, *, chain: str, block: Block, assets: Collection[str], has_coins: bool, now: datetime
) -> BlockRecorded:
    """Match a block already read once more: addresses stored since then are found. Raises ``TipMoved``.

    Without anything new it changes nothing.
    """
    stored = session.execute(
        select(ProgressRow.height).where(ProgressRow.chain == chain).with_for_update()
    ).scalar_one_or_none()
    if stored is None or queries.stored_hash(session, chain=chain, height=block.height) != block.hash:
        raise TipMoved("the block is not one that was read", chain=chain, height=block.height)
    matches = _apply(session, chain, block, assets, has_coins, now)
    return BlockRecorded(Tip(block.height, block.hash), len(matches.arrivals), len(matches.departures))


def record_opening(
    session: Session,
    *,
    chain: str,
    owner: OwnedAddress,
    locator: bytes,
    asset: str,
    units: int,
    before: Tip,
    expected_tip: Tip,
    now: datetime,
) -> None:
    """What a place had before it was ours to watch, as one arrival at ``before``; movements tell what came after.

    On a chain without coins. Blocks between the two are still to be matched again. Raises ``TipMoved``.
    """
    stored = session.execute(
        select(ProgressRow.height, ProgressRow.hash).where(ProgressRow.chain == chain).with_for_update()
    ).one_or_none()
    if stored is None or Tip(stored.height, stored.hash) != expected_tip:
        raise TipMoved("the tip is another one now", chain=chain, height=expected_tip.height)
    if not units:
        return
    arrival = Arrival(f"opening:{locator.hex()}", 0, owner, locator, asset, units, coinbase=False, own_spend=False)
    arrivals, _ = rows_of(Matches((arrival,), ()))
    rows = {"chain": chain, "height": before.height, "hash": before.hash, "rows": json.dumps(arrivals), "now": now}
    session.execute(statements.ADD_MOVEMENTS, rows)


def locators_of_ours(session: Session, *, block: Block, assets: Collection[str]) -> frozenset[bytes]:
    """Those places the block names that are ours, of a vault of whatever chain."""
    return frozenset(by_locators(session, locators_in(block, assets)))


def alarm_disagreement(session: Session, *, chain: str, why: str, now: datetime) -> None:
    """Raise an alarm, once for a tip of ours, that two nodes tell the chain differently (P-014)."""
    tip = queries.tip(session, chain=chain)
    step = tip.hash if tip else ""
    audit.raise_alarm(session, kind="nodes-disagree", subject=chain, step=step, why=why, now=now)


def record_doubts(session: Session, *, chain: str, settled: Settled, now: datetime) -> None:
    """Keep, once per block, place and asset, that something else arrived than was told (P-002)."""
    rows = [
        {
            "chain": chain,
            "asset": doubt.asset,
            "block_hash": settled.block.hash,
            "locator": doubt.locator,
            "told": doubt.told,
            "arrived": doubt.arrived,
            "found_at": now,
        }
        for doubt in settled.doubts
    ]
    if rows:
        session.execute(insert(DoubtRow).values(rows).on_conflict_do_nothing())


def take_doubts(session: Session, *, chain: str, now: datetime) -> list[Doubted]:
    """The doubts nobody has judged; from now on they are judged."""
    rows = session.execute(
        update(DoubtRow)
        .where(DoubtRow.chain == chain, DoubtRow.judged_at.is_(None))
        .values(judged_at=now)
        .returning(DoubtRow.asset, DoubtRow.block_hash, DoubtRow.locator, DoubtRow.told, DoubtRow.arrived)
    ).all()
    return [Doubted(row.asset, row.block_hash, bytes(row.locator), int(row.told), int(row.arrived)) for row in rows]


def note_finalized(session: Session, *, chain: str, final: Tip) -> None:
    """Keep up to where the node says that nothing can be undone, while the block there is one that was read.

    It goes back with a reorg alone.
    """
    progress = select(ProgressRow.chain).where(ProgressRow.chain == chain)
    session.execute(progress.with_for_update())
    if queries.stored_hash(session, chain=chain, height=final.height) == final.hash:
        lower = ProgressRow.finalized.is_(None) | (ProgressRow.finalized < final.height)
        session.execute(update(ProgressRow).where(ProgressRow.chain == chain, lower).values(finalized=final.height))


def plan_comparison(
    session: Session, *, chain: str, assets: Collection[str], until: Tip, every: int
) -> Comparison | None:
    """What to compare with balances at ``until``, a block that was read; None while nothing is due.

    It is due when the node showed a part of a block, or an asset was silent, ``every`` blocks before. Read are all
    places of the chain: that many balances are asked for.
    """
    last = session.execute(
        select(ComparisonRow.height, ComparisonRow.hash, ComparisonRow.silent)
        .where(ComparisonRow.chain == chain)
        .order_by(ComparisonRow.height.desc())
        .limit(1)
    ).one_or_none()
    first = queries.first_in_part(session, chain=chain)
    waits = last.height + 1 if last is not None and last.silent else first
    if waits is None or until.height < waits + every - 1:
        return None
    if last is not None:
        since = last.hash
    else:
        oldest = session.execute(select(BlockRow).where(BlockRow.chain == chain).order_by(BlockRow.height).limit(1))
        row = oldest.scalar_one()
        since = row.parent or row.hash
    return Comparison(since, until, _recorded(session, chain, until.height, assets, of_chain(session, chain=chain)))


def record_comparison(
    session: Session,
    *,
    chain: str,
    comparison: Comparison,
    found: Sequence[ChainTransaction],
    silent: Collection[str],
    assets: Collection[str],
    now: datetime,
) -> int:
    """Record what balances showed and no block told, and that everything up to there was compared; how much it was.

    Raises ``TipMoved``, before anything is written, where something was recorded or undone since it was planned.
    """
    until = comparison.until
    progress = select(ProgressRow.chain).where(ProgressRow.chain == chain)
    session.execute(progress.with_for_update())
    if queries.stored_hash(session, chain=chain, height=until.height) != until.hash:
        raise TipMoved("the block compared at is not one that was read", chain=chain, height=until.height)
    last = queries.compared_up_to(session, chain=chain)
    block = Block(until.height, until.hash, None, now, tuple(found))
    owned = _ours(by_locators(session, locators_in(block, assets)), chain)
    before = _recorded(session, chain, until.height, assets, owned)
    moved = any(comparison.recorded.get(place, 0) != units for place, units in before.items())
    if moved or (last is not None and (last.hash != comparison.since or last.height >= until.height)):
        raise TipMoved("something was recorded while balances were compared", chain=chain, height=until.height)
    matches = match_block(block, owned, assets)
    arrivals, departures = rows_of(matches, since=comparison.since)
    where = {"chain": chain, "height": until.height, "hash": until.hash}
    session.execute(statements.ADD_MOVEMENTS, {**where, "rows": json.dumps(arrivals + departures), "now": now})
    session.execute(
        insert(ComparisonRow).values(**where, since=comparison.since, silent=sorted(silent), compared_at=now)
    )
    _retire_unissued(session, matches)
    for asset in silent:
        why = f"{asset} does not say what anybody has at block {until.height}: nothing of it is credited meanwhile"
        audit.raise_alarm(
            session, kind="asset-silent", subject=f"{chain} {asset}", step=comparison.since, why=why, now=now
        )
    crash_point("movements.compared")
    _emit(session, "movements.advanced", chain, until, now)
    return len(arrivals) + len(departures)


def disconnect(session: Session, *, chain: str, to_height: int, expected_tip: Tip, now: datetime) -> tuple[int, ...]:
    """Undo every block above ``to_height``, emit ``movements.reorganised``; returns the heights undone.

    Coins made there vanish, coins spent there are unspent again, movements, outcomes and strays are marked removed,
    comparisons made there are forgotten with all they found. Raises
    ``TipMoved`` and ``UnknownBlock`` (the block at ``to_height`` was never read).
    """
    ancestor = queries.stored_hash(session, chain=chain, height=to_height)
    if ancestor is None:
        raise UnknownBlock(f"no block was read at height {to_height}", chain=chain, height=to_height)
    _move_tip(session, chain, expected_tip, Tip(to_height, ancestor), now)
    undone = {"chain": chain, "height": to_height, "now": now}
    session.execute(statements.REMOVE_MOVEMENTS, undone)
    session.execute(statements.REMOVE_OUTCOMES, undone)
    final_above = (ProgressRow.chain == chain) & (ProgressRow.finalized > to_height)
    session.execute(update(ProgressRow).where(final_above).values(finalized=to_height))
    session.execute(statements.REMOVE_STRAYS, {"chain": chain, "height": to_height, "now": now})
    session.execute(delete(ComparisonRow).where(ComparisonRow.chain == chain, ComparisonRow.height > to_height))
    session.execute(delete(CoinRow).where(CoinRow.chain == chain, CoinRow.created_height > to_height))
    session.execute(
        update(CoinRow)
        .where(CoinRow.chain == chain, CoinRow.spent_height > to_height)
        .values(spent_by=None, spent_height=None, spent_hash=None)
    )
    removed = session.execute(
        delete(BlockRow).where(BlockRow.chain == chain, BlockRow.height > to_height).returning(BlockRow.height)
    ).scalars()
    heights = tuple(sorted(removed))
    facts = {"from": expected_tip.height, "to": to_height, "was": expected_tip.hash}
    audit.record(session, event="chain.reorganised", subject=chain, actor="scan", now=now, facts=facts)
    crash_point("movements.disconnecting")
    _emit(session, "movements.reorganised", chain, Tip(to_height, ancestor), now)
    return heights


def seen_in_mempool(
    session: Session, *, chain: str, transactions: Sequence[ChainTransaction], assets: Collection[str]
) -> tuple[Arrival, ...]:
    """Which unconfirmed credits are ours. Two statements; writes nothing: nothing in a mempool has happened."""
    paid = {credit.locator for item in transactions for credit in item.credits if credit.asset in assets}
    owned = _ours(by_locators(session, paid), chain)
    ours = [item for item in transactions if any(credit.locator in owned for credit in item.credits)]
    if not ours:
        return ()
    rows = [
        {"txid": debit.txid, "position": debit.position, "spender": transaction.txid}
        for transaction in ours
        for debit in transaction.debits
    ]
    spending: dict[str, set[str]] = {}
    for row in session.execute(statements.SPENT_VAULTS, {"chain": chain, "rows": json.dumps(rows)}):
        spending.setdefault(row.spender, set()).add(row.vault_id)
    return tuple(
        arrival
        for transaction in ours
        for arrival in arrivals_in(transaction, owned, assets, frozenset(spending.get(transaction.txid, ())))
    )


def _move_tip(session: Session, chain: str, expected: Tip | None, new: Tip, now: datetime) -> None:
    values = {"height": new.height, "hash": new.hash, "updated_at": now}
    if expected is None:
        statement: Any = insert(ProgressRow).values(chain=chain, **values).on_conflict_do_nothing()
    else:
        statement = (
            update(ProgressRow)
            .where(ProgressRow.chain == chain, ProgressRow.height == expected.height, ProgressRow.hash == expected.hash)
            .values(**values)
        )
    if session.execute(statement.returning(ProgressRow.chain)).scalar_one_or_none() is None:
        raise TipMoved("the tip is another one now", chain=chain, height=new.height)


def _apply(
    session: Session, chain: str, block: Block, assets: Collection[str], has_coins: bool, now: datetime
) -> Matches:
    owned = by_locators(session, locators_in(block, assets) | enders_in(block))
    ours = _ours(owned, chain)
    matches = match_block(block, ours, assets)
    arrivals, departures = rows_of(matches)
    where = {"chain": chain, "height": block.height, "hash": block.hash}
    unknown = _move_coins(session, where, arrivals, departures) if has_coins else []
    rows = {**where, "rows": json.dumps(arrivals + departures), "now": now}
    session.execute(statements.ADD_MOVEMENTS, rows)
    if ended := outcome_rows(block, owned):
        session.execute(statements.ADD_OUTCOMES, {**where, "rows": json.dumps(ended), "now": now})
    _retire_unissued(session, matches)
    astray = {locator: owner for locator, owner in owned.items() if owner.chain != chain}
    if astray:
        _record_strays(session, where, match_block(block, astray, assets), now)
    for vault, outpoint in unknown:
        _alarm_unknown(session, vault, outpoint, now)
    return matches


def _move_coins(
    session: Session, where: dict[str, Any], arrivals: list[dict[str, Any]], departures: list[dict[str, Any]]
) -> list[tuple[str, str]]:
    """Write the coins made and spent; (vault, outpoint) of those spent whose arrival was never seen."""
    session.execute(statements.CREATE_COINS, {**where, "rows": json.dumps(arrivals)})
    spent = session.execute(statements.SPEND_COINS, {**where, "rows": json.dumps(departures)}).all()
    return [(row.vault_id, f"{row.txid}:{row.position}") for row in spent if row.created_height is None]


def _ours(owned: Mapping[bytes, OwnedAddress], chain: str) -> dict[bytes, OwnedAddress]:
    """Those of vaults of this chain. The same place on another chain is a place of its own, and not this one."""
    return {locator: owner for locator, owner in owned.items() if owner.chain == chain}


def _recorded(
    session: Session, chain: str, height: int, assets: Collection[str], owned: Mapping[bytes, OwnedAddress]
) -> dict[tuple[bytes, str], int]:
    rows = session.execute(statements.RECORDED, {"chain": chain, "height": height, "assets": sorted(assets)})
    held = {(row.address_id, row.asset): int(row.units) for row in rows}
    return {
        (locator, asset): held.get((owner.address_id, asset), 0) for locator, owner in owned.items() for asset in assets
    }


def _record_strays(session: Session, where: dict[str, Any], matches: Matches, now: datetime) -> None:
    rows = json.dumps(stray_rows(matches.arrivals))
    for new in session.execute(statements.ADD_STRAYS, {**where, "rows": rows, "now": now}):
        why = (
            f"{new.units} base units of {new.asset} came to an address of {new.vault_id} on {where['chain']}, "
            "which is not its chain: never credited"
        )
        step = f"{where['chain']} {new.txid}:{new.position}"
        audit.raise_alarm(session, kind="stray", subject=new.vault_id, step=step, why=why, now=now)


def _retire_unissued(session: Session, matches: Matches) -> None:
    paid = {arrival.owner.address_id for arrival in matches.arrivals if arrival.owner.state is AddressState.STOCK}
    if paid:
        addresses.retire(session, address_ids=paid)


def _alarm_unknown(session: Session, vault: str, outpoint: str, now: datetime) -> None:
    why = "a coin of ours was spent whose arrival was never seen; scan from before it"
    audit.raise_alarm(session, kind="unknown-coin-spent", subject=vault, step=outpoint, why=why, now=now)


def _emit(session: Session, topic: str, chain: str, tip: Tip, now: datetime) -> None:
    payload = {"chain": chain, "height": tip.height}
    outbox.emit(session, topic=topic, payload=payload, correlation_id=f"block:{tip.hash}", now=now)
