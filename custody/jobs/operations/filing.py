"""What every job has: it is filed once per key, rests, ends, and tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.events import operations as events
from custody.jobs import queries
from custody.jobs.model import RUNNING, Asked, Job
from custody.jobs.shown import job_view
from custody.jobs.tables import JobRow
from custody.kernel.errors import Refused
from custody.kernel.ids import new_id
from custody.outbox import operations as outbox

ADVANCE: Final = "jobs.advance"


class JobKeyReused(Refused):
    """The key was used with another body; names the first field that differs. HTTP 422."""

    code = "idempotency-mismatch"


@dataclass(frozen=True, slots=True)
class Filed:
    """The job as it stands, and whether it had been asked for before under the same key."""

    job: Job
    replayed: bool


def file(
    session: Session,
    *,
    kind: str,
    asked: Asked,
    wanted: int,
    client: str | None,
    endpoint: str | None,
    requester: str,
    idempotency_key: str,
    correlation_id: str,
    now: datetime,
) -> Filed:
    """Write the job down, tell of it and ask workers for its first piece. Raises ``JobKeyReused``."""
    made = session.execute(
        insert(JobRow)
        .values(
            id=new_id("job", now),
            kind=kind,
            requester=requester,
            idempotency_key=idempotency_key,
            asked=asked.to_json(),
            client_id=client,
            endpoint_id=endpoint,
            wanted=wanted,
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
        _expect_same(row, asked)
        return Filed(queries.view(row), replayed=True)
    audit.record(session, event="job.asked", subject=row.id, actor=requester, now=now, facts=asked.to_json())
    tell(session, row, "asked", actor=requester, now=now)
    go_on(session, row, correlation_id=correlation_id, now=now)
    return Filed(queries.view(row), replayed=False)


def go_on(session: Session, row: JobRow, *, correlation_id: str, now: datetime) -> None:
    """Ask workers for the next piece."""
    outbox.emit(session, topic=ADVANCE, payload={"job": row.id}, correlation_id=correlation_id, now=now)


def rest(session: Session, *, job: str, why: str, now: datetime) -> None:
    """Say what the job waits for."""
    row = held(session, job)
    if row.waiting_for != why:
        row.waiting_for = why
        session.flush()
        tell(session, row, "waiting", actor="workers", now=now)


def end(session: Session, row: JobRow, state: str, why: str | None, now: datetime) -> None:
    """Nothing more is done of it, and it is told how it ended."""
    row.state, row.waiting_for, row.ended_at = state, why, now
    audit.record(session, event=f"job.{state}", subject=row.id, actor="workers", now=now, facts={"done": row.done})
    session.flush()
    tell(session, row, state, actor="workers", now=now)


def held(session: Session, job: str) -> JobRow:
    """The row, locked to the end of the unit."""
    return session.execute(select(JobRow).where(JobRow.id == job).with_for_update()).scalar_one()


def tell(session: Session, row: JobRow, event: str, *, actor: str, now: datetime) -> None:
    """Tell what became of the job."""
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


def _expect_same(row: JobRow, asked: Asked) -> None:
    differing = next((name for name, value in asked.to_json().items() if row.asked.get(name) != value), None)
    if differing is not None:
        raise JobKeyReused("this idempotency key was used with another body", field=differing)
