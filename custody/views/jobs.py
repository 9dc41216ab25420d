"""A job as callers see it, and what it gave so far."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from custody.addresses import queries as addresses
from custody.jobs import queries
from custody.jobs.model import AddressesAsked, Job
from custody.jobs.shown import job_view as job_view
from custody.vaults import queries as vaults
from custody.views.objects import address_view


def given(session: Session, job: Job, *, seal_key: bytes, after: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
    """The next addresses the job handed out, by their place in it, behind ``after``; none of one that sends again.

    Raises ``AddressTampered``.
    """
    if not isinstance(job.asked, AddressesAsked):
        return []
    rows = queries.results(session, job=job.id, after=after, limit=limit)
    found = addresses.given_by_ids(session, ids=[address for _, address in rows], seal_key=seal_key)
    chain = vaults.get(session, vault=job.asked.vault).chain
    return [(position, address_view(found[address], chain)) for position, address in rows]
