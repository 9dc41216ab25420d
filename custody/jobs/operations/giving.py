"""Many addresses asked for at once, and handed out a piece at a time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from custody.addresses import operations as addresses
from custody.jobs.model import ADDRESSES, COMPLETED, FAILED, PIECE, AddressesAsked
from custody.jobs.operations import filing
from custody.jobs.operations.filing import Filed
from custody.jobs.tables import JobRow, ResultRow
from custody.kernel.errors import Refused


def ask_for_addresses(
    session: Session,
    *,
    asked: AddressesAsked,
    requester: str,
    idempotency_key: str,
    correlation_id: str,
    now: datetime,
) -> Filed:
    """File the job; workers hand the addresses out. Raises ``JobKeyReused``, ``ClientNotActive``, ``NotAMember``."""
    addresses.expect_may_be_given(session, vault=asked.vault, client=asked.client)
    return filing.file(
        session,
        kind=ADDRESSES,
        asked=asked,
        wanted=asked.count,
        client=asked.client,
        endpoint=None,
        requester=requester,
        idempotency_key=idempotency_key,
        correlation_id=correlation_id,
        now=now,
    )


def give_piece(
    session: Session, row: JobRow, asked: AddressesAsked, *, seal_key: bytes, low_mark: int, now: datetime
) -> None:
    """Hand out the next ``PIECE`` addresses. Idempotent by place.

    Raises ``StockEmpty`` where not even one is left: the piece is done when the stock is filled. What may not be
    given any more ends the job; what was given stays given.
    """
    try:
        addresses.expect_may_be_given(session, vault=asked.vault, client=asked.client)
    except Refused as refused:
        filing.end(session, row, FAILED, refused.message, now)
        return
    began = row.done
    for position in range(began, min(began + PIECE, row.wanted)):
        try:
            given = addresses.allocate(
                session,
                vault=asked.vault,
                client=asked.client,
                seal_key=seal_key,
                low_mark=low_mark,
                actor=row.requester,
                now=now,
            )
        except addresses.StockEmpty:
            if position == began:
                raise
            break
        session.add(ResultRow(job_id=row.id, position=position, address_id=given.id))
        session.flush()
        row.done = position + 1
    if row.done == row.wanted:
        filing.end(session, row, COMPLETED, None, now)
