"""Reading screenings: the newest result of every pinned service, proved again, and what they amount to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Text, column, lateral, select, true, values
from sqlalchemy.orm import Session

from custody.evidence.statements import AHEAD, Screening, SignedStatement, believed
from custody.evidence.trust_root import TrustRoot
from custody.screenings.tables import ScreeningRow


def standing(
    session: Session, *, chain: str, destination: str, root: TrustRoot, now: datetime
) -> list[SignedStatement]:
    """The newest result on ``destination`` of each service that ``root`` pins; what does not verify is left out."""
    pinned = root.services_of(Screening.role)
    if not pinned:
        return []
    services = values(column("name", Text), name="services").data([(service.id,) for service in pinned])
    result = lateral(
        select(ScreeningRow.document)
        .where(
            ScreeningRow.chain == chain,
            ScreeningRow.destination == destination,
            ScreeningRow.service == services.c.name,
            ScreeningRow.stated_at <= now + AHEAD,
        )
        .order_by(ScreeningRow.stated_at.desc(), ScreeningRow.message.desc())
        .limit(1)
    )
    rows = session.execute(select(result.c.document).select_from(services.join(result, true()))).scalars()
    return believed((SignedStatement.parse(document) for document in rows), root=root)
