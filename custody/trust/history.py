"""Which version of the trust root was in force when."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.evidence.trust_root import SignedTrustRoot, TrustRoot
from custody.trust.tables import TrustRootRow


def root_at(session: Session, *, at: datetime, newest: TrustRoot) -> TrustRoot:
    """The version in force at ``at``, the first one for any time before it. ``newest`` is the one in force now."""
    versions = select(TrustRootRow.version, TrustRootRow.hash).order_by(TrustRootRow.version.desc())
    found = session.execute(versions.where(TrustRootRow.in_force_at <= at).limit(1)).one_or_none()
    if found is None:
        found = session.execute(versions.order_by(None).order_by(TrustRootRow.version).limit(1)).one_or_none()
    if found is None or found.hash == newest.hash:
        return newest
    document = session.execute(select(TrustRootRow.document).where(TrustRootRow.version == found.version)).scalar_one()
    return SignedTrustRoot.parse(document).root
