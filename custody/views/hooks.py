"""Webhook endpoints as people see them: how each stands, what waits, and what came of what was sent."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.orm import Session

from custody.webhooks import queries as webhooks

SHOWN: Final = 50
"""Deliveries on a page."""


def hooks_view(session: Session) -> list[dict[str, Any]]:
    """Every endpoint, oldest first, with what waits for it."""
    behind = {each.endpoint: each for each in webhooks.backlog(session)}
    return [{"endpoint": each, "backlog": behind.get(each.id)} for each in webhooks.every(session)]


def hook_view(session: Session, *, endpoint: str, event: str = "") -> dict[str, Any]:
    """One endpoint with its newest deliveries, and every attempt of ``event`` where one is named.

    Raises ``UnknownEndpoint``.
    """
    found = webhooks.get(session, endpoint=endpoint)
    behind = {each.endpoint: each for each in webhooks.backlog(session)}
    return {
        "endpoint": found,
        "backlog": behind.get(found.id),
        "deliveries": webhooks.deliveries(session, endpoint=endpoint, limit=SHOWN),
        "event": event,
        "attempts": webhooks.attempts(session, endpoint=endpoint, event=event) if event else [],
    }
