"""What failed at a webhook endpoint, sent again a piece at a time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from custody.jobs.model import COMPLETED, FAILED, RESEND, RUNNING, ResendAsked
from custody.jobs.operations import filing
from custody.jobs.operations.filing import Filed
from custody.jobs.tables import JobRow
from custody.kernel.errors import Conflict, NotFound
from custody.webhooks import operations as webhooks


class ResendRunning(Conflict):
    """A job sends again what failed at this endpoint. The message names it, and it may be waited for."""

    code = "resend-running"


def ask_to_resend(
    session: Session,
    *,
    asked: ResendAsked,
    requester: str,
    idempotency_key: str,
    correlation_id: str,
    now: datetime,
) -> Filed:
    """File the job; workers make what failed due again. What is told after this moment is none of it.

    At an endpoint one runs at a time. Raises ``JobKeyReused``, ``UnknownEndpoint``, ``EndpointState`` and
    ``ResendRunning``.
    """
    endpoint = webhooks.expect_sending(session, endpoint=asked.endpoint)
    _expect_none_beside(session, endpoint.id, requester, idempotency_key)
    return filing.file(
        session,
        kind=RESEND,
        asked=asked,
        wanted=webhooks.failed(session, endpoint=endpoint.id, since=asked.since, now=now),
        client=endpoint.client,
        endpoint=endpoint.id,
        requester=requester,
        idempotency_key=idempotency_key,
        correlation_id=correlation_id,
        now=now,
    )


def resend_piece(session: Session, row: JobRow, asked: ResendAsked, *, now: datetime) -> None:
    """Make the next piece of what failed due again. Each event once, whatever fails again meanwhile.

    At the end ``wanted`` is what was sent: what was taken meanwhile is not counted. An endpoint that was disabled or
    removed ends the job.
    """
    try:
        webhooks.expect_sending(session, endpoint=asked.endpoint)
    except (Conflict, NotFound) as error:
        filing.end(session, row, FAILED, error.message, now)
        return
    piece = webhooks.resend_piece(
        session,
        endpoint=asked.endpoint,
        since=asked.since,
        until=row.created_at,
        after=row.place or 0,
        limit=webhooks.PIECE,
        now=now,
    )
    row.done += piece.count
    row.wanted, row.place = max(row.wanted, row.done), piece.place
    if piece.place is None:
        row.wanted = row.done
        filing.end(session, row, COMPLETED, None, now)


def _expect_none_beside(session: Session, endpoint: str, requester: str, idempotency_key: str) -> None:
    """Whoever asks again under a key of before is answered what that asked for. The endpoint is locked."""
    before = aliased(JobRow)
    same = exists().where(before.requester == requester, before.idempotency_key == idempotency_key)
    running = select(JobRow.id).where(JobRow.endpoint_id == endpoint, JobRow.state == RUNNING, ~same)
    job = session.execute(running).scalar_one_or_none()
    if job is not None:
        raise ResendRunning(f"the job {job} sends again what failed there", field="endpoint", job=job)
