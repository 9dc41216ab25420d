"""Sending again: one event, what failed a piece at a time, and a test of an endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.events import operations as events
from custody.events import queries as told
from custody.events.model import Event
from custody.webhooks.model import TEST, Endpoint
from custody.webhooks.operations.delivering import new_row
from custody.webhooks.operations.endpoints import EndpointState, held
from custody.webhooks.queries import view
from custody.webhooks.tables import FREE, DeliveryRow

PIECE: Final = 1_000
"""Failed deliveries tried again in one unit: it stays short whatever failed."""


@dataclass(frozen=True, slots=True)
class Piece:
    """How many deliveries are due again, and the place to go on behind; None where those were all."""

    count: int
    place: int | None


def resend(session: Session, *, endpoint: str, event: Event, actor: str, now: datetime) -> None:
    """Send one event once more, or now where it waits. Raises ``UnknownEndpoint``, ``UnknownEvent``."""
    row = held(session, endpoint)
    if (row.client is not None and event.client != row.client) or _is_anothers_test(event, endpoint):
        raise told.UnknownEvent("no such event", field="event")
    found = session.execute(
        select(DeliveryRow)
        .where(DeliveryRow.endpoint_id == endpoint, DeliveryRow.sequence == event.sequence)
        .with_for_update()
    ).scalar_one_or_none()
    if found is None:
        session.add(DeliveryRow(**{**new_row(endpoint, event, now), "repeat": True}))
    elif found.state == "waiting":
        found.due_at = now
    else:
        found.state, found.repeat, found.due_at, found.delivered_at = "waiting", True, now, None
        found.first_failed_at = None
    facts = {"event": event.id}
    audit.record(session, event="webhook_endpoint.resent", subject=endpoint, actor=actor, now=now, facts=facts)


def expect_sending(session: Session, *, endpoint: str) -> Endpoint:
    """The endpoint, kept as it is to the end of the unit. Raises ``UnknownEndpoint``, ``EndpointState``."""
    row = held(session, endpoint)
    if row.state != "active":
        raise EndpointState("the endpoint is disabled; enabling it sends all that waits", field="endpoint")
    return view(row)


def failed(session: Session, *, endpoint: str, since: datetime | None, now: datetime) -> int:
    """How many events, made into deliveries since then, were tried there and not taken."""
    found: int = session.execute(_failed(func.count(), endpoint, since, now)).scalar_one()
    return found


def resend_piece(
    session: Session, *, endpoint: str, since: datetime | None, until: datetime, after: int, limit: int, now: datetime
) -> Piece:
    """Try up to ``limit`` of them again at once: of those made ``since``, and not after ``until``, behind ``after``.

    Who goes on from ``place`` comes to an end, whatever fails again meanwhile: nothing is tried twice. What is held
    back by one of them follows by itself, in its order.
    """
    chosen = _failed(DeliveryRow.id, endpoint, since, now).where(
        DeliveryRow.sequence > after, DeliveryRow.created_at <= until
    )
    ids = chosen.order_by(DeliveryRow.sequence).limit(limit)
    again = update(DeliveryRow).where(DeliveryRow.id.in_(ids)).values(due_at=now).returning(DeliveryRow.sequence)
    found = session.execute(again).scalars().all()
    return Piece(len(found), max(found) if len(found) == limit else None)


def send_test(session: Session, *, endpoint: str, actor: str, now: datetime) -> str:
    """Tell of a test of this endpoint, and push it there alone, whatever types it hears. It is tried once.

    Its type is ``webhook_endpoint.test`` and its object the endpoint, so nobody takes it for a change of anything
    else; in the feed it stands as what it is, under the id that is answered.

    Raises ``UnknownEndpoint``, ``EndpointState``.
    """
    found = expect_sending(session, endpoint=endpoint)
    kind, _, what = TEST.partition(".")
    audit.record(session, event=TEST, subject=endpoint, actor=actor, now=now)
    return events.publish(
        session,
        kind=kind,
        subject=endpoint,
        event=what,
        data=found.to_json() | {"test": True},
        client=found.client,
        actor=actor,
        correlation_id="",
        now=now,
    )


def _failed(what: Any, endpoint: str, since: datetime | None, now: datetime) -> Select[Any]:
    """Only what was tried and not taken is due later, and is not held: what is held back by it is due, and waits."""
    query = select(what).where(FREE, DeliveryRow.endpoint_id == endpoint, DeliveryRow.due_at > now)
    return query if since is None else query.where(DeliveryRow.created_at >= since)


def _is_anothers_test(event: Event, endpoint: str) -> bool:
    return event.type == TEST and event.subject != endpoint
