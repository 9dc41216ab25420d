"""Judging doubts: an asset that tells something else than arrives, and is not known to, is suspended."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.deposits.model import DepositRules, is_to_be_expected
from custody.deposits.tables import SuspendedAssetRow
from custody.kernel.clock import rfc3339
from custody.movements import operations as movements


def judge_doubts(session: Session, *, chain: str, rules: DepositRules, actor: str, now: datetime) -> None:
    """Raise an alarm for every doubt nobody judged, and suspend its asset, unless its rules explain it (P-002, P-004).

    What is suspended stays so until an operator lifts it. Raises ``NoDepositRules``.
    """
    for doubt in movements.take_doubts(session, chain=chain, now=now):
        if is_to_be_expected(doubt, rules.of(doubt.asset)):
            continue
        why = f"{doubt.told} base units of {doubt.asset} were told and {doubt.arrived} arrived at {doubt.locator.hex()}"
        step = f"{doubt.block_hash}:{doubt.locator.hex()}"
        audit.raise_alarm(
            session, kind="movement-in-doubt", subject=f"{chain} {doubt.asset}", step=step, why=why, now=now
        )
        _suspend(session, chain, doubt.asset, why, actor, now)


def lift_suspension(
    session: Session, *, asset: str, begun_by: datetime, actor: str, digest: str, now: datetime
) -> bool:
    """An approved intent (``digest``) lifts it; False where it is not suspended, or was only after ``begun_by``.

    What was booked as nobody's meanwhile stays so, until an entry that people agree to says whose it is.
    """
    lifted = session.execute(
        delete(SuspendedAssetRow)
        .where(SuspendedAssetRow.asset == asset, SuspendedAssetRow.since <= begun_by)
        .returning(SuspendedAssetRow.reason)
    ).scalar_one_or_none()
    if lifted is None:
        return False
    facts = {"reason": lifted, "intent": digest}
    audit.record(session, event="asset.resumed", subject=asset, actor=actor, now=now, facts=facts)
    return True


def _suspend(session: Session, chain: str, asset: str, why: str, actor: str, now: datetime) -> None:
    new = session.execute(
        insert(SuspendedAssetRow)
        .values(asset=asset, chain=chain, reason=why, since=now)
        .on_conflict_do_nothing()
        .returning(SuspendedAssetRow.asset)
    ).scalar_one_or_none()
    if new is not None:
        audit.record(session, event="asset.suspended", subject=asset, actor=actor, now=now, facts={"reason": why})
        audit.raise_alarm(session, kind="asset-suspended", subject=asset, step=rfc3339(now), why=why, now=now)
