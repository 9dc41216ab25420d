"""The newest status statement of each service, as it is put beside every bundle that is given out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.evidence.status import SignedStatus, Status, check_status
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import Conflict
from custody.trust.tables import StatusRow

LONGEST: Final = timedelta(hours=1)
"""A statement older than this is not taken: no cosigner would believe it."""
SKEW: Final = timedelta(minutes=2)


class StatusTurnedBack(Conflict):
    """The service has made a later statement, or another one of this number."""

    code = "status-turned-back"


def take(session: Session, *, signed: SignedStatus, root: TrustRoot, actor: str, now: datetime) -> Status:
    """Keep a service's newest statement. The same again changes nothing.

    Raises ``StatusRefused`` or ``StatusTurnedBack``; then nothing is written.
    """
    signed = SignedStatus.parse(signed.to_json())
    status = check_status(signed, root=root, now=now, longest=LONGEST, skew=SKEW)
    before = session.execute(
        select(StatusRow).where(StatusRow.service == signed.service).with_for_update()
    ).scalar_one_or_none()
    if before is not None and before.document == signed.to_json():
        return status
    if before is not None and before.number >= status.number:
        raise StatusTurnedBack(f"statement {before.number} was made after it", field="status.number")
    values = {"number": status.number, "document": signed.to_json(), "said_at": status.at, "received_at": now}
    made = insert(StatusRow).values(service=signed.service, **values)
    session.execute(made.on_conflict_do_update(index_elements=[StatusRow.service], set_=values))
    _record(session, signed, None if before is None else SignedStatus.parse(before.document).status, actor, now)
    return status


def newest(session: Session) -> SignedStatus | None:
    """The statement made last, whoever made it; ``None`` before there is one."""
    found = newest_document(session)
    return None if found is None else SignedStatus.parse(found)


def newest_document(session: Session) -> dict[str, Any] | None:
    """The same as it is stored."""
    query = select(StatusRow.document).order_by(StatusRow.said_at.desc(), StatusRow.service).limit(1)
    return session.execute(query).scalar_one_or_none()


def _record(session: Session, signed: SignedStatus, before: Status | None, actor: str, now: datetime) -> None:
    """A statement a minute is no event; one that says something else than the last is."""
    if before is not None and _takes_back(before) == _takes_back(signed.status):
        return
    facts = {
        "number": signed.status.number,
        "version": signed.status.version,
        "revoked": len(signed.status.revoked),
        "frozen": len(signed.status.frozen),
        "withdrawn": len(signed.status.withdrawn),
    }
    audit.record(session, event="status.changed", subject=signed.service, actor=actor, now=now, facts=facts)


def _takes_back(status: Status) -> tuple[object, ...]:
    return (status.version, status.root, status.revoked, status.frozen, status.withdrawn)
