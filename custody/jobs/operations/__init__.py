"""Asking for a job, and doing the next piece of it. No operation commits."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from custody.jobs import queries
from custody.jobs.model import RUNNING, AddressesAsked, Job
from custody.jobs.operations import filing
from custody.jobs.operations.filing import ADVANCE, Filed, JobKeyReused, rest
from custody.jobs.operations.giving import ask_for_addresses, give_piece
from custody.jobs.operations.resending import ask_to_resend, resend_piece

__all__ = ["ADVANCE", "Filed", "JobKeyReused", "advance", "ask_for_addresses", "ask_to_resend", "rest"]


def advance(session: Session, *, job: str, seal_key: bytes, low_mark: int, correlation_id: str, now: datetime) -> Job:
    """Do the next piece, and ask for the one after it where there is one. Raises as ``give_piece`` does."""
    row = filing.held(session, job)
    if row.state != RUNNING:
        return queries.view(row)
    asked = queries.asked_of(row)
    if isinstance(asked, AddressesAsked):
        give_piece(session, row, asked, seal_key=seal_key, low_mark=low_mark, now=now)
    else:
        resend_piece(session, row, asked, now=now)
    if row.state == RUNNING:
        filing.go_on(session, row, correlation_id=correlation_id, now=now)
    return queries.view(row)
