"""Webhook endpoints with how they stand, and one endpoint with its deliveries and attempts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy.orm import Session

from custody.jobs import queries as jobs
from custody.jobs.shown import job_view
from custody.kernel.clock import rfc3339
from custody.views import cursors
from custody.webhooks import queries
from custody.webhooks.operations import Made
from custody.webhooks.queries import Backlog

DELIVERIES: Final = "deliveries"


def endpoints(session: Session, *, clients: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Every endpoint with what waits for it, oldest first; of ``clients`` alone, where they are named."""
    behind = {each.endpoint: each for each in queries.backlog(session)}
    return [each.to_json() | _waits(behind.get(each.id)) for each in queries.every(session, clients=clients)]


def endpoint(session: Session, *, endpoint: str, clients: Collection[str] | None = None) -> dict[str, Any]:
    """One endpoint with what waits for it. Raises ``UnknownEndpoint``."""
    found = queries.get(session, endpoint=endpoint, clients=clients)
    behind = {each.endpoint: each for each in queries.backlog(session)}
    return found.to_json() | _waits(behind.get(endpoint))


def deliveries(
    session: Session, *, endpoint: str, limit: int, state: str | None = None, after: str | None = None
) -> dict[str, Any]:
    """The newest deliveries of an endpoint; ``next`` is the cursor of older ones, null at the end.

    Raises ``InvalidInput``.
    """
    begin = cursors.read(after, DELIVERIES)
    before = cursors.number(begin[0]) if begin else None
    found = queries.deliveries(session, endpoint=endpoint, limit=limit + 1, state=state, before=before)
    more = cursors.written(DELIVERIES, str(found[limit - 1].id)) if len(found) > limit else None
    return {DELIVERIES: [each.to_json() for each in found[:limit]], "next": more}


def whole_endpoint(
    session: Session, *, name: str, event: str = "", after: str | None = None, limit: int
) -> dict[str, Any]:
    """The endpoint of that id with a page of its deliveries, and every attempt of ``event`` where one is named.

    ``job`` is the last one that sent again what failed there. Raises ``UnknownEndpoint`` and ``InvalidInput``.
    """
    job = jobs.newest_resend(session, endpoint=name)
    return {
        "job": None if job is None else job_view(job),
        "endpoint": endpoint(session, endpoint=name),
        "event": event,
        "attempts": attempts(session, endpoint=name, event=event) if event else [],
    } | deliveries(session, endpoint=name, limit=limit, after=after)


def attempts(session: Session, *, endpoint: str, event: str) -> list[dict[str, Any]]:
    """Every attempt to deliver this event there, with the beginning of each answer."""
    return [each.to_json() for each in queries.attempts(session, endpoint=endpoint, event=event)]


def made(found: Made) -> dict[str, Any]:
    """A new endpoint, or one with a new secret: the only time that the secret is shown."""
    return found.endpoint.to_json() | {"secret": found.secret.text, "public_key": found.secret.public_text}


def _waits(behind: Backlog | None) -> dict[str, Any]:
    if behind is None:
        return {"waiting": 0, "failing": 0, "oldest_waiting_at": None}
    oldest = None if behind.oldest_at is None else rfc3339(behind.oldest_at)
    return {"waiting": behind.waiting, "failing": behind.failing, "oldest_waiting_at": oldest}
