"""Noticing a restored database, declaring one restored, and going on when the chain has been read again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.addresses import operations as addresses
from custody.addresses import queries as stock
from custody.audit import operations as audit
from custody.kernel.errors import Conflict
from custody.movements import queries as movements
from custody.restore import queries
from custody.restore.queries import Restoration
from custody.restore.tables import IdentityRow, RestorationRow
from custody.signing import assuming as signing
from custody.vaults import queries as vaults
from custody.vaults.model import Vault

GAP: Final = 1_000
"""Indexes beyond the last known one that may have been shown after the backup, per series of a vault."""

PERSONAL_GAP: Final = 20
"""The same where addresses are made for one client each: few clients ask for a second."""


class NotReplayed(Conflict):
    """The chain has not been read to the node's tip since the restore, or the books do not agree with it."""

    code = "not-replayed"


class NotRestoring(Conflict):
    """No restoration is under way."""

    code = "not-restoring"


def notice(session: Session, *, now: datetime, gap: int = GAP) -> Restoration | None:
    """Compare this database with the one that ran us last; every process calls it when it starts.

    Returns the restoration under way: one that was, or a new one where the cluster, its timeline or the database
    is another. A copy of files under the same name is not noticed: ``declare`` is for that. Idempotent.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('restore', 0))"))
    live = fingerprint(session)
    stored = session.execute(text("SELECT fingerprint FROM database_identity")).scalar_one_or_none()
    _remember(session, live, now)
    if stored is not None and stored != live:
        return declare(session, reason="this is not the database that ran before", actor="start", now=now, gap=gap)
    return queries.current(session)


def declare(session: Session, *, reason: str, actor: str, now: datetime, gap: int = GAP) -> Restoration:
    """The database was restored: burn the stock, count open bundles as given, note what may have been shown since,
    and stop what must wait.

    Only one at a time: while one is under way it is returned. Undone by ``finish`` alone.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('restore', 0))"))
    found = queries.current(session)
    if found is not None:
        return found
    addresses.burn_stock(session, actor=actor, now=now)
    signing.assume_given(session, actor=actor, now=now)
    session.add(RestorationRow(reason=reason, noticed_at=now, tips=_tips(session), goals=_goals(session, gap)))
    session.flush()
    _remember(session, fingerprint(session), now)
    audit.record(session, event="database.restored", subject="database", actor=actor, now=now, facts={"why": reason})
    audit.raise_alarm(session, kind="restoring", subject="database", step=now.isoformat(), why=reason, now=now)
    found = queries.current(session)
    assert found is not None
    return found


def mark_watched(session: Session, *, now: datetime) -> None:
    """Every forgotten index is stored, and the blocks since the backup were matched against them."""
    session.execute(
        update(RestorationRow)
        .where(RestorationRow.resumed_at.is_(None), RestorationRow.watched_at.is_(None))
        .values(watched_at=now)
    )


def finish(session: Session, *, heights: Mapping[str, int], actor: str, now: datetime) -> None:
    """Go on: every chain was read to its node's height and every vault was reconciled there since, without a break.

    ``heights`` is each chain's, by its CAIP-2 id. Raises ``NotRestoring``, or ``NotReplayed`` naming what is missing. A
    vault that paid by a transaction we do not know has a break, is frozen, and keeps this from ending.
    """
    found = queries.current(session, lock=True)
    if found is None:
        raise NotRestoring("no restoration is under way")
    if found.watched_at is None:
        raise NotReplayed("the addresses since the backup are not watched yet", field="restoration")
    for chain, node_height in heights.items():
        tip = movements.tip(session, chain=chain)
        if tip is None or tip.height < node_height:
            raise NotReplayed("the chain is not read to the node's tip", field="movements", chain=chain)
    for vault in vaults.every(session):
        _expect_reconciled(vault, found, heights)
    session.execute(update(RestorationRow).where(RestorationRow.id == found.id).values(resumed_at=now))
    audit.record(session, event="database.resumed", subject="database", actor=actor, now=now)
    for vault in vaults.every(session):
        addresses.request_restock(session, vault=vault.id, now=now)


def fingerprint(session: Session) -> str:
    """Which database this is: cluster, timeline and the database's own number in it."""
    row = session.execute(
        text(
            "SELECT (pg_control_system()).system_identifier, (pg_control_checkpoint()).timeline_id,"
            " (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS number"
        )
    ).one()
    return f"{row.system_identifier}/{row.timeline_id}/{row.number}"


def _expect_reconciled(vault: Vault, found: Restoration, heights: Mapping[str, int]) -> None:
    if vault.chain not in heights:
        raise NotReplayed(f"{vault.id} is on a chain nobody has read", field="movements", vault=vault.id)
    fresh = vault.reconciled_at is not None and vault.reconciled_at > found.noticed_at
    if not fresh or vault.reconciled_height is None or vault.reconciled_height < heights[vault.chain]:
        raise NotReplayed(f"{vault.id} does not agree with the node yet", field="reconciliation", vault=vault.id)


def _remember(session: Session, live: str, now: datetime) -> None:
    row = insert(IdentityRow).values(one=True, fingerprint=live, noted_at=now)
    same = {"fingerprint": live, "noted_at": now}
    changed = IdentityRow.fingerprint != live
    session.execute(row.on_conflict_do_update(index_elements=["one"], set_=same, where=changed))


def _tips(session: Session) -> dict[str, Any]:
    chains = {vault.chain for vault in vaults.every(session)}
    found = {chain: movements.tip(session, chain=chain) for chain in sorted(chains)}
    return {chain: tip.height for chain, tip in found.items() if tip is not None}


def _goals(session: Session, gap: int) -> list[dict[str, Any]]:
    """Burned already, so the highest index out of stock is the highest there is."""
    goals = []
    for vault in vaults.every(session):
        for kept_for, change in stock.series(session, vault=vault):
            highest = stock.highest_issued(session, vault=vault.id, change=change, kept_for=kept_for)
            last = (-1 if highest is None else highest) + (min(gap, PERSONAL_GAP) if kept_for else gap)
            goals.append({"vault": vault.id, "kept_for": kept_for, "change": change, "last": last})
    return goals
