"""Taking screening results. No operation commits."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.evidence.statements import Screening, SignedStatement, check_statement, expect_of_now
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import InvalidInput
from custody.screenings.tables import ScreeningRow


def record(session: Session, *, signed: SignedStatement, root: TrustRoot, now: datetime) -> bool:
    """Keep a result; False where the very same one was kept before. Raises ``StatementRefused``, ``InvalidInput``.

    The caller has seen that the destination is in its chain's one spelling: any other would never be asked for.
    """
    said = signed.statement
    if not isinstance(said, Screening):
        raise InvalidInput("not a screening", field="statement.kind")
    check_statement(signed, root=root)
    expect_of_now(said, now=now)
    kept = insert(ScreeningRow).values(
        message=signed.message.hex(),
        service=signed.service,
        stated_at=said.at,
        document=signed.to_json(),
        received_at=now,
        chain=said.chain,
        destination=said.destination,
        result=said.result,
    )
    new = session.execute(kept.on_conflict_do_nothing().returning(ScreeningRow.id)).scalar_one_or_none()
    if new is not None:
        facts = {"chain": said.chain, "result": said.result}
        subject = said.destination
        audit.record(session, event="destination.screened", subject=subject, actor=signed.service, now=now, facts=facts)
    return new is not None
