"""Taking price marks. No operation commits."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.evidence import marks
from custody.evidence.statements import Price, SignedStatement, check_statement, expect_of_now
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import InvalidInput
from custody.prices import queries
from custody.prices.tables import MarkRow

DISPUTED: Final = "price-disputed"


def record(session: Session, *, signed: SignedStatement, root: TrustRoot, now: datetime) -> bool:
    """Keep a mark; False where the very same one was kept before.

    A source that stands too far from the median raises one alarm a day. Raises ``StatementRefused``, ``InvalidInput``.
    """
    said = signed.statement
    if not isinstance(said, Price):
        raise InvalidInput("not a price", field="statement.kind")
    check_statement(signed, root=root)
    expect_of_now(said, now=now)
    if root.asset(said.asset) is None:
        raise InvalidInput("not an asset of the trust root", field="statement.asset")
    kept = insert(MarkRow).values(
        message=signed.message.hex(),
        service=signed.service,
        stated_at=said.at,
        document=signed.to_json(),
        received_at=now,
        asset=said.asset,
        usd_picos=said.usd_picos,
    )
    new = session.execute(kept.on_conflict_do_nothing().returning(MarkRow.id)).scalar_one_or_none()
    if new is not None:
        _watch(session, said.asset, root, now)
    return new is not None


def _watch(session: Session, asset: str, root: TrustRoot, now: datetime) -> None:
    found = queries.quote(session, asset=asset, root=root, now=now)
    if found.state == marks.DISPUTED:
        who = ", ".join(found.apart)
        why = f"{who} more than {root.prices.deviation_bps} hundredths of a percent from the median of all sources"
        step = f"{now.date().isoformat()} {who}"
        audit.raise_alarm(session, kind=DISPUTED, subject=asset, step=step, why=why, now=now)
