"""Who was asked to read an address off the client's instruction, and read something else.

It is kept in the audit log and nowhere else: what follows from it can be proved later, and nobody takes it back.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.audit import queries
from custody.kernel.errors import Refused

EVENT: Final = "intent.address_misread"
MOST: Final = 2
"""After so many wrong answers a person is not asked again about that intent: somebody else reads."""


class AddressMisread(Refused):
    """Somebody read another address than the intent's, twice: somebody else decides. HTTP 403."""

    code = "address-misread"


def misread(session: Session, *, digest: str, operator: str, correlation_id: str, now: datetime) -> int:
    """Record one wrong answer; returns how many there are now. Raises ``AddressMisread`` where none is accepted."""
    before = times(session, digest=digest, operator=operator)
    if before >= MOST:
        raise AddressMisread("read wrongly twice by this person; another person decides on it", field="first")
    audit.record(session, event=EVENT, subject=digest, actor=operator, now=now, correlation_id=correlation_id)
    return before + 1


def times(session: Session, *, digest: str, operator: str) -> int:
    """How often ``operator`` has read the address of this intent wrongly."""
    return queries.how_often(session, event=EVENT, subject=digest, actor=operator)
