"""After a restore: what was given out since the backup is not known, so every open bundle counts as given."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.signing.tables import OPEN, BundleRow, DeliveryRow
from custody.vaults import queries as vaults


def assume_given(session: Session, *, actor: str, now: datetime) -> int:
    """Note every open bundle as given to all its cosigners: none can be given up any more. Returns how many.

    Its money stays held until it is paid or a quorum of signed refusals comes. Idempotent.
    """
    rows = session.execute(select(BundleRow).where(OPEN).order_by(BundleRow.id).with_for_update()).scalars()
    assumed = 0
    for row in rows:
        members = vaults.keyset(session, keyset_id=row.keyset_id).cosigners
        values = [{"bundle_id": row.id, "cosigner": member.id, "given_at": now} for member in members]
        given = insert(DeliveryRow).values(values).on_conflict_do_nothing().returning(DeliveryRow.bundle_id)
        if session.execute(given).all():
            audit.record(session, event="bundle.assumed_given", subject=row.id, actor=actor, now=now)
            assumed += 1
    return assumed
