"""Reading endpoints, their deliveries and attempts, and how far behind they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from custody.kernel.errors import NotFound
from custody.webhooks.model import Attempt, Delivery, Endpoint
from custody.webhooks.tables import WAITING, AttemptRow, DeliveryRow, EndpointRow


class UnknownEndpoint(NotFound):
    """No webhook endpoint of that id, or it is not this caller's."""

    code = "unknown-webhook-endpoint"


@dataclass(frozen=True, slots=True)
class Backlog:
    """How one endpoint stands: what waits, since when, and when something was last taken."""

    endpoint: str
    state: str
    waiting: int
    failing: int
    """Of those: tried and not taken."""
    oldest_at: datetime | None
    last_success_at: datetime | None


def get(session: Session, *, endpoint: str, clients: Collection[str] | None = None) -> Endpoint:
    """The endpoint of that id; of one of ``clients``, where those are named. Raises ``UnknownEndpoint``."""
    row = session.get(EndpointRow, endpoint, populate_existing=True)
    if row is None or row.state == "removed" or (clients is not None and row.client not in clients):
        raise UnknownEndpoint("no such webhook endpoint", field="endpoint")
    return view(row)


def every(session: Session, *, clients: Collection[str] | None = None) -> list[Endpoint]:
    """All endpoints but removed ones, oldest first; those of ``clients`` alone, where they are named."""
    query = select(EndpointRow).where(EndpointRow.state != "removed").order_by(EndpointRow.created_at, EndpointRow.id)
    if clients is not None:
        query = query.where(EndpointRow.client.in_(list(clients)))
    return [view(row) for row in session.execute(query).scalars()]


def deliveries(
    session: Session, *, endpoint: str, limit: int, state: str | None = None, before: int | None = None
) -> list[Delivery]:
    """The newest deliveries of an endpoint first; older than the delivery ``before``, where named."""
    query = select(DeliveryRow).where(DeliveryRow.endpoint_id == endpoint)
    if state is not None:
        query = query.where(DeliveryRow.state == state)
    if before is not None:
        query = query.where(DeliveryRow.sequence < before)
    rows = session.execute(query.order_by(DeliveryRow.sequence.desc()).limit(limit)).scalars()
    return [_delivery(row) for row in rows]


def attempts(session: Session, *, endpoint: str, event: str) -> list[Attempt]:
    """Every attempt to deliver this event to this endpoint, oldest first."""
    rows = session.execute(
        select(AttemptRow)
        .join(DeliveryRow, DeliveryRow.id == AttemptRow.delivery_id)
        .where(DeliveryRow.endpoint_id == endpoint, DeliveryRow.event_id == event)
        .order_by(AttemptRow.number)
    ).scalars()
    return [Attempt(row.number, row.at, row.status, row.latency_ms, row.problem, row.answer) for row in rows]


def position(session: Session, *, endpoint: str) -> int:
    """The cursor up to which events were taken over for the endpoint. Raises ``UnknownEndpoint``."""
    row = session.get(EndpointRow, endpoint, populate_existing=True)
    if row is None:
        raise UnknownEndpoint("no such webhook endpoint", field="endpoint")
    return row.position


def backlog(session: Session) -> list[Backlog]:
    """How every endpoint stands. One statement, whatever waits."""
    waiting = (
        select(
            DeliveryRow.endpoint_id,
            func.count().label("waiting"),
            func.count(DeliveryRow.first_failed_at).label("failing"),
            func.min(DeliveryRow.created_at).label("oldest_at"),
        )
        .where(WAITING)
        .group_by(DeliveryRow.endpoint_id)
        .subquery()
    )
    columns: tuple[Any, ...] = (EndpointRow.id, EndpointRow.state, EndpointRow.last_success_at)
    rows = session.execute(
        select(*columns, waiting.c.waiting, waiting.c.failing, waiting.c.oldest_at)
        .outerjoin(waiting, waiting.c.endpoint_id == EndpointRow.id)
        .where(EndpointRow.state != "removed")
        .order_by(EndpointRow.id)
    )
    return [
        Backlog(row.id, row.state, row.waiting or 0, row.failing or 0, row.oldest_at, row.last_success_at)
        for row in rows
    ]


def view(row: EndpointRow) -> Endpoint:
    """The stored row as a value, without its secrets."""
    return Endpoint(
        id=row.id,
        url=row.url,
        client=row.client,
        types=tuple(row.types),
        payload=row.payload,
        source=row.source,
        label=row.label,
        state=row.state,
        reason=row.reason,
        failing_since=row.failing_since,
        last_success_at=row.last_success_at,
        old_until=row.old_until,
        created_at=row.created_at,
        created_by=row.created_by,
    )


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        id=row.sequence,
        endpoint=row.endpoint_id,
        event=row.event_id,
        type=row.type,
        subject=row.subject,
        state=row.state,
        attempts=row.attempts,
        due_at=row.due_at,
        first_failed_at=row.first_failed_at,
        delivered_at=row.delivered_at,
    )
