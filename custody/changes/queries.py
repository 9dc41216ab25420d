"""Reading what was proposed."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.changes.tables import ProposalRow


def proposed_as(session: Session, *, version: int, limit: int = 50) -> list[str]:
    """Digests of the newest ``limit`` intents that ask for this version of the trust root."""
    query = select(ProposalRow.digest).where(ProposalRow.version == version)
    return list(session.execute(query.order_by(ProposalRow.created_at.desc()).limit(limit)).scalars())
