"""Reading prices: the newest mark of every pinned source, proved again, and what they amount to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Text, column, lateral, select, true, values
from sqlalchemy.orm import Session

from custody.evidence import marks
from custody.evidence.statements import AHEAD, Price, SignedStatement, believed
from custody.evidence.trust_root import TrustRoot
from custody.prices.tables import MarkRow


def newest(session: Session, *, asset: str, root: TrustRoot, now: datetime) -> list[SignedStatement]:
    """The newest mark on ``asset`` of each source that ``root`` pins; a row that does not verify is left out.

    Reads one row a source, however many marks there are.
    """
    pinned = root.services_of(Price.role)
    if not pinned:
        return []
    services = values(column("name", Text), name="services").data([(service.id,) for service in pinned])
    mark = lateral(
        select(MarkRow.document)
        .where(
            MarkRow.asset == asset,
            MarkRow.service == services.c.name,
            MarkRow.stated_at <= now + AHEAD,
        )
        .order_by(MarkRow.stated_at.desc(), MarkRow.message.desc())
        .limit(1)
    )
    rows = session.execute(select(mark.c.document).select_from(services.join(mark, true()))).scalars()
    return believed((SignedStatement.parse(document) for document in rows), root=root)


def quote(session: Session, *, asset: str, root: TrustRoot, now: datetime) -> marks.Quote:
    """What a whole unit of ``asset`` (CAIP-19) is worth now, and how far that can be trusted."""
    return marks.quote(newest(session, asset=asset, root=root, now=now), asset=asset, root=root, now=now)
