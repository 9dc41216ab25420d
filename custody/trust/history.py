"""Which version of the trust root was in force when."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from custody.evidence.trust_root import SignedTrustRoot, TrustRoot
from custody.trust.tables import TrustRootRow


def root_at(session: Session, *, at: datetime, newest: TrustRoot) -> TrustRoot:
    """The version in force at ``at``, the first one for any time before it. ``newest`` is the one in force now."""
    row, was = TrustRootRow, TrustRootRow.in_force_at <= at
    newest_then_oldest = (was.desc(), case((was, -row.version), else_=row.version))
    found = session.execute(select(row.version, row.hash).order_by(*newest_then_oldest).limit(1)).one_or_none()
    if found is None or found.hash == newest.hash:
        return newest
    document = session.execute(select(TrustRootRow.document).where(TrustRootRow.version == found.version)).scalar_one()
    return SignedTrustRoot.parse(document).root


def in_force_since(session: Session) -> dict[int, datetime]:
    """Each version to when it came into force."""
    rows = session.execute(select(TrustRootRow.version, TrustRootRow.in_force_at).order_by(TrustRootRow.version))
    return {row.version: row.in_force_at for row in rows}


def policies(session: Session, *, versions: Collection[int]) -> dict[int, str]:
    """The policy's text of each of these versions that came into force."""
    rows = session.execute(
        select(TrustRootRow.version, TrustRootRow.policy).where(TrustRootRow.version.in_(sorted(versions)))
    )
    return {row.version: row.policy for row in rows}
