"""Recording blocks and undoing them. Whoever moves the tip compares and sets it: nobody moves it twice."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.addresses import operations as addresses
from custody.addresses.model import AddressState, OwnedAddress
from custody.addresses.queries import by_locators
from custody.audit import operations as audit
from custody.chains.port import Block, ChainTransaction, Settled
from custody.kernel.crash import crash_point
from custody.kernel.errors import Broken, Conflict
from custody.movements import queries, statements
from custody.movements.model import Arrival, Matches, Tip, arrivals_in, locators_in, match_block, rows_of
from custody.movements.tables import BlockRow, CoinRow, ProgressRow
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
    row = {"chain": chain, "height": block.height, "hash": block.hash, "parent": block.parent, "scanned_at": now}
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
    """Those places the block names that are ours."""
    return frozenset(by_locators(session, locators_in(block, assets)))


def record_doubts(session: Session, *, chain: str, settled: Settled, now: datetime) -> None:
    """Raise the alarm, once per block, place and asset, where something else arrived than was told (P-002)."""
    for doubt in settled.doubts:
        why = (
            f"{doubt.told} base units of {doubt.asset} were told and {doubt.arrived} arrived; what arrived is credited"
        )
        step = f"{settled.block.hash}:{doubt.locator.hex()}"
        audit.raise_alarm(
            session, kind="movement-in-doubt", subject=f"{chain} {doubt.asset}", step=step, why=why, now=now
        )


def disconnect(session: Session, *, chain: str, to_height: int, expected_tip: Tip, now: datetime) -> tuple[int, ...]:
    """Undo every block above ``to_height``, emit ``movements.reorganised``; returns the heights undone.

    Coins made there vanish, coins spent there are unspent again, movements are marked removed. Raises
    ``TipMoved`` and ``UnknownBlock`` (the block at ``to_height`` was never read).
    """
    ancestor = queries.stored_hash(session, chain=chain, height=to_height)
    if ancestor is None:
        raise UnknownBlock(f"no block was read at height {to_height}", chain=chain, height=to_height)
    _move_tip(session, chain, expected_tip, Tip(to_height, ancestor), now)
    session.execute(statements.REMOVE_MOVEMENTS, {"chain": chain, "height": to_height, "now": now})
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
    owned = by_locators(session, paid)
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
    matches = match_block(block, by_locators(session, locators_in(block, assets)), assets)
    arrivals, departures = rows_of(matches)
    where = {"chain": chain, "height": block.height, "hash": block.hash}
    unknown = _move_coins(session, where, arrivals, departures) if has_coins else []
    rows = {**where, "rows": json.dumps(arrivals + departures), "now": now}
    session.execute(statements.ADD_MOVEMENTS, rows)
    _retire_unissued(session, matches)
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
