"""Which passkeys are locked, and which wait to be put into a trust root."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.evidence.passkeys import Credential
from custody.operators.tables import CandidateRow, CredentialRow


@dataclass(frozen=True, slots=True)
class Candidate:
    """A registered passkey that may count for nothing yet."""

    credential: Credential
    operator: str
    registered_at: datetime


def locked(session: Session) -> frozenset[str]:
    """Ids of every passkey that is locked; few, for a lock is an incident."""
    return frozenset(session.execute(select(CredentialRow.id).where(CredentialRow.locked_at.is_not(None))).scalars())


def candidate(session: Session, *, credential: str) -> Candidate | None:
    """The registered passkey of that id, or None."""
    row = session.get(CandidateRow, credential)
    return None if row is None else _candidate(row)


def used(session: Session) -> dict[str, datetime | None]:
    """Every passkey that ever answered here, to when it did last."""
    rows = session.execute(select(CredentialRow.id, CredentialRow.used_at))
    return {row.id: row.used_at for row in rows}


def candidates(session: Session, *, operator: str | None = None) -> list[Candidate]:
    """Registered passkeys, oldest first: everybody's, or one operator's."""
    query = select(CandidateRow).order_by(CandidateRow.registered_at, CandidateRow.id)
    if operator is not None:
        query = query.where(CandidateRow.operator == operator)
    return [_candidate(row) for row in session.execute(query).scalars()]


def _candidate(row: CandidateRow) -> Candidate:
    return Candidate(Credential(id=row.id, public_key=row.public_key), row.operator, row.registered_at)
