"""Who was asked to read an address off the client's instruction, and what they read.

It is kept in the audit log and nowhere else: what follows from it can be proved later, and nobody takes it back. How
often the question comes is counted from there: one that comes with every approval is read by nobody any more.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.audit import queries
from custody.kernel.errors import Refused

EVENT: Final = "intent.address_misread"
READ: Final = "intent.address_read"
MOST: Final = 2
"""After so many wrong answers a person is not asked again about that intent: somebody else reads."""


class AddressMisread(Refused):
    """Somebody read another address than the intent's, twice: somebody else decides. HTTP 403."""

    code = "address-misread"


def misread(session: Session, *, digest: str, operator: str, correlation_id: str, now: datetime) -> int:
    """Record one wrong answer; returns how many there are now. Raises ``AddressMisread`` where none is accepted.

    Answers of one person about one intent come one after the other, each seeing those before it.
    """
    before = expect_may_read(session, digest=digest, operator=operator)
    audit.record(session, event=EVENT, subject=digest, actor=operator, now=now, correlation_id=correlation_id)
    return before + 1


def read(session: Session, *, digest: str, operator: str, correlation_id: str, now: datetime) -> None:
    """Record the right answer. Raises ``AddressMisread`` where none is accepted."""
    expect_may_read(session, digest=digest, operator=operator)
    audit.record(session, event=READ, subject=digest, actor=operator, now=now, correlation_id=correlation_id)


def expect_may_read(session: Session, *, digest: str, operator: str) -> int:
    """How often ``operator`` answered wrongly, where one more answer is accepted; others wait for the unit's end.

    Asked of right answers too: whoever sends many at once has no more of them looked at. Raises ``AddressMisread``.
    """
    key = f"misread:{digest}:{operator}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
    before = times(session, digest=digest, operator=operator)
    if before >= MOST:
        raise AddressMisread("read wrongly twice by this person; another person decides on it", field="first")
    return before


def times(session: Session, *, digest: str, operator: str) -> int:
    """How often ``operator`` has read the address of this intent wrongly."""
    return queries.how_often(session, event=EVENT, subject=digest, actor=operator)
