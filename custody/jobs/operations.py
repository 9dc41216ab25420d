"""Asking for a job, and doing the next piece of it. No operation commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.addresses import operations as addresses
from custody.audit import operations as audit
from custody.events import operations as events
from custody.jobs import queries
from custody.jobs.model import ADDRESSES, COMPLETED, FAILED, PIECE, RUNNING, AddressesAsked, Job
from custody.jobs.shown import job_view
from custody.jobs.tables import JobRow, ResultRow
from custody.kernel.errors import Refused
from custody.kernel.ids import new_id
from custody.outbox import operations as outbox

ADVANCE: Final = "jobs.advance"


class JobKeyReused(Refused):
    """The key was used with another body; names the first field that differs. HTTP 422."""

    code = "idempotency-mismatch"


@dataclass(frozen=True, slots=True)
class Asked:
    """The job as it stands, and whether it had been asked for before under the same key."""

    job: Job
    replayed: bool


def ask_for_addresses(
    session: Session,
    *,
    asked: AddressesAsked,
    requester: str,
    idempotency_key: str,
    correlation_id: str,
    now: datetime,
) -> Asked:
    """File the job; workers hand the addresses out. Raises ``JobKeyReused``, ``ClientNotActive``, ``NotAMember``."""
    addresses.expect_may_be_given(session, vault=asked.vault, client=asked.client)
    made = session.execute(
        insert(JobRow)
        .values(
            id=new_id("job", now),
            kind=ADDRESSES,
            requester=requester,
            idempotency_key=idempotency_key,
            asked=asked.to_json(),
            client_id=asked.client,
            wanted=asked.count,
            done=0,
            state=RUNNING,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["requester", "idempotency_key"])
        .returning(JobRow.id)
    ).scalar_one_or_none()
    row = session.execute(
        select(JobRow).where(JobRow.requester == requester, JobRow.idempotency_key == idempotency_key)
    ).scalar_one()
    if made is None:
        _expect_same(row.asked, asked)
        return Asked(queries.view(row), replayed=True)
    facts = {"client": asked.client, "vault": asked.vault, "count": asked.count}
    audit.record(session, event="job.asked", subject=row.id, actor=requester, now=now, facts=facts)
    _tell(session, row, "asked", actor=requester, now=now)
    outbox.emit(session, topic=ADVANCE, payload={"job": row.id}, correlation_id=correlation_id, now=now)
    return Asked(queries.view(row), replayed=False)


def advance(session: Session, *, job: str, seal_key: bytes, low_mark: int, correlation_id: str, now: datetime) -> Job:
    """Hand out the next ``PIECE`` addresses, and ask for the piece after it where there is one. Idempotent by place.

    Raises ``StockEmpty`` where not even one is left: the piece is done when the stock is filled. What may not be
    given any more ends the job; what was given stays given.
    """
    row = session.execute(select(JobRow).where(JobRow.id == job).with_for_update()).scalar_one()
    if row.state != RUNNING:
        return queries.view(row)
    asked = AddressesAsked(**row.asked)
    try:
        addresses.expect_may_be_given(session, vault=asked.vault, client=asked.client)
    except Refused as refused:
        return _end(session, row, FAILED, refused.message, now)
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
        session.add(ResultRow(job_id=job, position=position, address_id=given.id))
        session.flush()
        row.done = position + 1
    if row.done == row.wanted:
        return _end(session, row, COMPLETED, None, now)
    outbox.emit(session, topic=ADVANCE, payload={"job": job}, correlation_id=correlation_id, now=now)
    return queries.view(row)


def rest(session: Session, *, job: str, why: str, now: datetime) -> None:
    """Say what the job waits for."""
    row = session.execute(select(JobRow).where(JobRow.id == job).with_for_update()).scalar_one()
    if row.waiting_for != why:
        row.waiting_for = why
        session.flush()
        _tell(session, row, "waiting", actor="workers", now=now)


def _end(session: Session, row: JobRow, state: str, why: str | None, now: datetime) -> Job:
    row.state, row.waiting_for, row.ended_at = state, why, now
    audit.record(session, event=f"job.{state}", subject=row.id, actor="workers", now=now, facts={"done": row.done})
    session.flush()
    _tell(session, row, state, actor="workers", now=now)
    return queries.view(row)


def _tell(session: Session, row: JobRow, event: str, *, actor: str, now: datetime) -> None:
    events.publish(
        session,
        kind="job",
        subject=row.id,
        event=event,
        data=job_view(queries.view(row)),
        client=row.client_id,
        actor=actor,
        correlation_id="",
        now=now,
    )


def _expect_same(stored: dict[str, object], asked: AddressesAsked) -> None:
    differing = next((name for name, value in asked.to_json().items() if stored.get(name) != value), None)
    if differing is not None:
        raise JobKeyReused("this idempotency key was used with another body", field=differing)
