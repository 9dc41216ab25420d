"""Reading jobs."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.jobs.model import ADDRESSES, AddressesAsked, Asked, Job, ResendAsked
from custody.jobs.tables import JobRow, ResultRow
from custody.kernel.clock import parse_rfc3339
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


def newest_resend(session: Session, *, endpoint: str) -> Job | None:
    """The job that was asked for last to send again what failed at this endpoint."""
    query = select(JobRow).where(JobRow.endpoint_id == endpoint).order_by(JobRow.id.desc()).limit(1)
    row = session.execute(query).scalar_one_or_none()
    return None if row is None else view(row)


def asked_of(row: JobRow) -> Asked:
    """What the stored row was asked for."""
    if row.kind == ADDRESSES:
        return AddressesAsked(**row.asked)
    since = row.asked["since"]
    return ResendAsked(row.asked["endpoint"], None if since is None else parse_rfc3339(since, field="since"))


def view(row: JobRow) -> Job:
    """The stored row as a value."""
    return Job(
        id=row.id,
        kind=row.kind,
        requester=row.requester,
        client=row.client_id,
        asked=asked_of(row),
        wanted=row.wanted,
        done=row.done,
        state=row.state,
        waiting_for=row.waiting_for,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
