"""A job as programs are shown it: what is in its row."""

from __future__ import annotations

from typing import Any

from custody.jobs.model import RUNNING, AddressesAsked, Job, ResendAsked
from custody.kernel.shown import when


def job_view(job: Job) -> dict[str, Any]:
    """What was asked for, how far it is, and whether it is over."""
    return {
        "id": job.id,
        "kind": job.kind,
        "client": job.client,
        "vault": job.asked.vault if isinstance(job.asked, AddressesAsked) else None,
        "endpoint": job.asked.endpoint if isinstance(job.asked, ResendAsked) else None,
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
