"""What failed at a webhook endpoint, sent again a piece at a time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from custody.jobs.model import COMPLETED, FAILED, RESEND, ResendAsked
from custody.jobs.operations import filing
from custody.jobs.operations.filing import Filed
from custody.jobs.tables import JobRow
from custody.kernel.errors import Conflict, NotFound
from custody.webhooks import operations as webhooks


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

    Raises ``JobKeyReused``, ``UnknownEndpoint`` and ``EndpointState``.
    """
    endpoint = webhooks.expect_sending(session, endpoint=asked.endpoint)
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
