"""A job as callers see it: how far it is, and what it gave so far."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from custody.addresses import queries as addresses
from custody.jobs import queries
from custody.jobs.model import RUNNING, Job
from custody.vaults import queries as vaults
from custody.views.objects import address_view, when


def job_view(job: Job) -> dict[str, Any]:
    """Where it stands."""
    return {
        "id": job.id,
        "kind": job.kind,
        "client": job.asked.client,
        "vault": job.asked.vault,
        "wanted": job.wanted,
        "done": job.done,
        "status": job.state,
        "reason": job.waiting_for,
        "next_actor": "nobody",
        "expires_at": None,
        "created_at": when(job.created_at),
        "ended_at": when(job.ended_at),
        "is_over": job.state != RUNNING,
    }


def given(session: Session, job: Job, *, seal_key: bytes, after: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
    """The next addresses the job handed out, by their place in it, behind ``after``. Raises ``AddressTampered``."""
    rows = queries.results(session, job=job.id, after=after, limit=limit)
    found = addresses.given_by_ids(session, ids=[address for _, address in rows], seal_key=seal_key)
    chain = vaults.get(session, vault=job.asked.vault).chain
    return [(position, address_view(found[address], chain)) for position, address in rows]
