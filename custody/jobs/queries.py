"""Reading jobs."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.jobs.model import AddressesAsked, Job
from custody.jobs.tables import JobRow, ResultRow
from custody.kernel.errors import NotFound


class UnknownJob(NotFound):
    """No job of that id."""

    code = "unknown-job"


def get(session: Session, *, job: str) -> Job:
    """The job of that id. Raises ``UnknownJob``."""
    row = session.execute(select(JobRow).where(JobRow.id == job)).scalar_one_or_none()
    if row is None:
        raise UnknownJob("no such job", field="job")
    return view(row)


def results(session: Session, *, job: str, after: int = -1, limit: int) -> list[tuple[int, int]]:
    """The next ``limit`` (position, address id) that the job handed out, behind ``after``, in order."""
    rows = session.execute(
        select(ResultRow.position, ResultRow.address_id)
        .where(ResultRow.job_id == job, ResultRow.position > after)
        .order_by(ResultRow.position)
        .limit(limit)
    )
    return [(row.position, row.address_id) for row in rows]


def view(row: JobRow) -> Job:
    """The stored row as a value."""
    return Job(
        id=row.id,
        kind=row.kind,
        requester=row.requester,
        asked=AddressesAsked(**row.asked),
        wanted=row.wanted,
        done=row.done,
        state=row.state,
        waiting_for=row.waiting_for,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
