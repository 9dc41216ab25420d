"""Deposit rows: finding, opening and moving them, each move with its transition row, audit record and event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.addresses.model import OwnedAddress
from custody.audit import operations as audit
from custody.deposits.model import DepositRules, owner_of
from custody.deposits.queries import view
from custody.deposits.shown import deposit_view
from custody.deposits.states import FIRST, NEW, DepositEvent, DepositState, advance
from custody.deposits.tables import DepositProgressRow, DepositRow, DepositTransitionRow
from custody.events import operations as events
from custody.kernel.ids import new_id
from custody.trust.assets import AssetUnknown, assets_seen

Outpoint = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Mined:
    """The block a deposit is in. ``at`` is the header's time; ``None`` where that was not kept."""

    height: int
    hash: str
    at: datetime | None


def lock_chain(session: Session, chain: str) -> DepositProgressRow:
    """Hold the chain's deposits to the unit's end: whoever comes second waits here."""
    session.execute(insert(DepositProgressRow).values(chain=chain, change_id=0).on_conflict_do_nothing())
    return session.execute(
        select(DepositProgressRow)
        .where(DepositProgressRow.chain == chain)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one()


def known(session: Session, chain: str, outpoints: Iterable[Outpoint]) -> dict[Outpoint, DepositRow]:
    """The deposits there are for these outpoints."""
    wanted = sorted(set(outpoints))
    if not wanted:
        return {}
    rows = session.execute(
        select(DepositRow)
        .where(DepositRow.chain == chain, tuple_(DepositRow.txid, DepositRow.position).in_(wanted))
        .execution_options(populate_existing=True)
    ).scalars()
    return {(row.txid, row.position): row for row in rows}


def open_deposit(
    session: Session,
    *,
    chain: str,
    outpoint: Outpoint,
    owner: OwnedAddress,
    asset: str,
    units: int,
    coinbase: bool,
    event: DepositEvent,
    block: Mined | None,
    rules: DepositRules,
    actor: str,
    now: datetime,
) -> DepositRow:
    """Write a deposit first seen now, and whose it is for good. Raises ``NoDepositRules``."""
    own_rules = rules.of(asset)
    client, reason = owner_of(owner, units=units, rules=own_rules)
    row = DepositRow(
        id=new_id("dep", now),
        chain=chain,
        txid=outpoint[0],
        position=outpoint[1],
        vault_id=owner.vault,
        client_id=client,
        address_id=owner.address_id,
        asset=asset,
        units=units,
        coinbase=coinbase,
        state=FIRST[event].value,
        step=1,
        occurrence=0,
        required_depth=own_rules.required_depth(units=units, coinbase=coinbase),
        reason=reason,
        unbacked=False,
        first_seen_at=now,
        updated_at=now,
    )
    put_in(row, block)
    session.add(row)
    _note(session, row, NEW, event, actor, now)
    return row


def put_in(row: DepositRow, block: Mined | None) -> None:
    """Say in which block the deposit is; in none."""
    row.height = block.height if block else None
    row.block_hash = block.hash if block else None
    row.mined_at = block.at if block else None


def move(session: Session, row: DepositRow, event: DepositEvent, *, actor: str, now: datetime) -> None:
    """Move the deposit on. Raises ``ForbiddenMove``."""
    before = row.state
    row.state = advance(DepositState(before), event).value
    row.step += 1
    row.updated_at = now
    _note(session, row, before, event, actor, now)


def _note(session: Session, row: DepositRow, before: str, event: DepositEvent, actor: str, now: datetime) -> None:
    session.add(
        DepositTransitionRow(
            subject=row.id,
            step=row.step,
            from_state=before,
            to_state=row.state,
            event=event.value,
            actor=actor,
            at=now,
        )
    )
    facts = {
        "from": before,
        "outpoint": f"{row.txid}:{row.position}",
        "vault": row.vault_id,
        "client": row.client_id or "",
        "units": str(row.units),
        "reason": row.reason or "",
    }
    audit.record(session, event=f"deposit.{row.state}", subject=row.id, actor=actor, now=now, facts=facts)
    events.publish(
        session,
        kind="deposit",
        subject=row.id,
        event=row.state,
        data=_shown(session, row),
        client=row.client_id,
        actor=actor,
        correlation_id="",
        now=now,
        occurred_at=row.mined_at if event is DepositEvent.MINED else None,
    )


def _shown(session: Session, row: DepositRow) -> dict[str, Any]:
    """As it is shown; telling stops no deposit, so one of an asset nobody has decimals for is told by base units."""
    deposit = view(row)
    try:
        return deposit_view(deposit, assets_seen(session))
    except AssetUnknown:
        return {"id": deposit.id, "asset": {"id": deposit.asset}, "amount": {"base_units": str(deposit.units)}} | {
            "client": deposit.client,
            "chain": deposit.chain,
            "status": deposit.state.value,
        }
