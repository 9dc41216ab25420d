"""Deliveries: made of events, claimed for sending, and settled by what came of it.

A claim is a lease: who is killed between sending and settling loses it, and the same event is sent again under the
same id. An event that was not taken holds back the later ones of its object, at that endpoint alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from sqlalchemy import Row, bindparam, delete, insert, select, text, update
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.events import queries as told
from custody.events.model import Event
from custody.kernel.canonical import canonical_json
from custody.kernel.clock import rfc3339
from custody.webhooks.model import FAILING_LIMIT, GONE, MOST_RESENT, WARNED_AFTER, Outcome, Parcel, wait_after
from custody.webhooks.operations.endpoints import held, note
from custody.webhooks.signing import Sealer, Secret, SecretTampered, signed_headers
from custody.webhooks.tables import WAITING, AttemptRow, DeliveryRow, EndpointRow

_LOCK: Final = 0x77656268
"""Claims are made one after the other: two at once could overtake each other within one object."""
_FAILING_ROOM: Final = 4
"""Parcels at once for an endpoint whose last attempt failed: it is not hammered, and holds nobody else up."""


def take_over(session: Session, *, now: datetime, limit: int = 1_000) -> int:
    """Make deliveries of what was told since the last time, for every active endpoint; how many there are now."""
    newest, made = told.head(session), 0
    behind = (
        select(EndpointRow)
        .where(EndpointRow.state == "active", EndpointRow.position < newest)
        .order_by(EndpointRow.id)
        .with_for_update(skip_locked=True)
    )
    for row in session.execute(behind).scalars().all():
        page = told.after(
            session, cursor=row.position, limit=limit, client=row.client, kinds=list(row.types) if row.types else None
        )
        row.position = page.cursor
        if page.events:
            session.execute(insert(DeliveryRow), [_new(row.id, event, now) for event in page.events])
        made += len(page.events)
    return made


# Whether one before it is still out is seen in one pass in their order: the cost grows with what waits and with nothing
# else, whatever the planner knows of a table that fills and empties all the time.
_CLAIM: Final = text(
    """
    UPDATE webhook_deliveries SET leased_until = :until, attempts = attempts + 1
    WHERE id IN (
      SELECT due.id FROM webhook_endpoints e CROSS JOIN LATERAL (
        SELECT id, sequence FROM (
          SELECT id, sequence, repeat, due_at <= :now AND coalesce(leased_until <= :now, true) AS is_due,
            bool_or(NOT repeat AND (due_at > :now OR coalesce(leased_until > :now, false))) OVER (
              PARTITION BY kind, subject ORDER BY sequence ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS is_held
          FROM webhook_deliveries WHERE endpoint_id = e.id AND state = 'waiting') d
        WHERE is_due AND (repeat OR NOT coalesce(is_held, false))
        ORDER BY sequence
        LIMIT CAST(CASE WHEN e.failing_since IS NULL THEN :room ELSE :failing_room END AS int)
      ) due WHERE e.state = 'active' ORDER BY due.sequence LIMIT :room)
    RETURNING id, endpoint_id, sequence, event_id, kind, subject, attempts, repeat
    """
)


def claim(session: Session, *, sealer: Sealer, lease: timedelta, room: int, now: datetime) -> list[Parcel]:
    """Take up to ``room`` due deliveries for ``lease``, signed and ready to send, in the order they are to leave.

    An endpoint whose secret does not open is disabled: nothing is sent unsigned.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    taken = session.execute(
        _CLAIM, {"now": now, "until": now + lease, "room": room, "failing_room": _FAILING_ROOM}
    ).all()
    if not taken:
        return []
    rows = sorted(taken, key=lambda row: int(row.sequence))
    endpoints = _endpoints(session, {row.endpoint_id for row in rows})
    events = told.by_sequences(session, {row.sequence for row in rows})
    signers = {each.id: _Signer(each, sealer, now) for each in endpoints.values()}
    parcels = []
    for row in rows:
        try:
            parcels.append(signers[row.endpoint_id].parcel(row, events[row.sequence]))
        except SecretTampered as error:
            _disable(session, row.endpoint_id, error.message, now)
    return parcels


def settle(session: Session, *, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Write down what came of sending: taken, to be tried again at its time, or not tried at all.

    An endpoint that answers 410, or where an event was not taken for five days, is disabled, with an alarm; after one
    day people are warned. Outcomes of deliveries that meanwhile are settled otherwise change nothing.
    """
    tried = [each for each in outcomes if not each.is_unsent]
    _note_attempts(session, tried, now)
    _note_taken(session, [each.delivery for each in tried if each.problem is None], now)
    _note_untried(session, [each.delivery for each in outcomes if each.is_unsent])
    failed = [each for each in tried if each.problem is not None]
    since = _note_failed(session, failed, now)
    _note_endpoints(session, tried, now)
    for each in failed:
        _judge(session, each, since.get(each.delivery, now), now)


def resend(session: Session, *, endpoint: str, event: Event, actor: str, now: datetime) -> None:
    """Send one event once more, or now where it waits. Raises ``UnknownEndpoint``, ``UnknownEvent``."""
    row = held(session, endpoint)
    if row.client is not None and event.client != row.client:
        raise told.UnknownEvent("no such event", field="event")
    found = session.execute(
        select(DeliveryRow)
        .where(DeliveryRow.endpoint_id == endpoint, DeliveryRow.sequence == event.sequence)
        .with_for_update()
    ).scalar_one_or_none()
    if found is None:
        session.add(DeliveryRow(**{**_new(endpoint, event, now), "repeat": True}))
    elif found.state == "waiting":
        found.due_at = now
    else:
        found.state, found.repeat, found.due_at, found.delivered_at = "waiting", True, now, None
    facts = {"event": event.id}
    audit.record(session, event="webhook_endpoint.resent", subject=endpoint, actor=actor, now=now, facts=facts)


@dataclass(frozen=True, slots=True)
class Resent:
    """How many events are tried again, and from where to go on; None where that were all."""

    count: int
    next: int | None


def resend_failed(
    session: Session, *, endpoint: str, actor: str, now: datetime, since: datetime | None = None, after: int = 0
) -> Resent:
    """Try what was not taken again at once, of what was made since then and told behind ``after``, the oldest first.

    At most ``MOST_RESENT`` in one unit. Who goes on from ``next`` comes to an end, whatever fails again meanwhile: no
    event is tried twice. What is held back by one of them follows by itself. Raises ``UnknownEndpoint``.
    """
    held(session, endpoint)
    failed = select(DeliveryRow.id).where(
        WAITING,
        DeliveryRow.endpoint_id == endpoint,
        DeliveryRow.sequence > after,
        DeliveryRow.due_at > now,
    )
    if since is not None:
        failed = failed.where(DeliveryRow.created_at >= since)
    chosen = failed.order_by(DeliveryRow.sequence).limit(MOST_RESENT)
    again = update(DeliveryRow).where(DeliveryRow.id.in_(chosen)).values(due_at=now).returning(DeliveryRow.sequence)
    found = session.execute(again).scalars().all()
    facts = {"count": len(found), "since": "" if since is None else rfc3339(since)}
    audit.record(session, event="webhook_endpoint.resent", subject=endpoint, actor=actor, now=now, facts=facts)
    return Resent(len(found), max(found) if len(found) == MOST_RESENT else None)


def prune(session: Session, *, before: datetime) -> int:
    """Delete what was delivered before ``before``, with its attempts; how many deliveries. The events stay."""
    old = select(DeliveryRow.id).where(DeliveryRow.state == "delivered", DeliveryRow.delivered_at < before)
    session.execute(delete(AttemptRow).where(AttemptRow.delivery_id.in_(old)))
    return len(session.execute(delete(DeliveryRow).where(DeliveryRow.id.in_(old)).returning(DeliveryRow.id)).all())


class _Signer:
    """Signs one endpoint's parcels within one claim."""

    def __init__(self, row: EndpointRow, sealer: Sealer, now: datetime) -> None:
        self._row, self._sealer, self._now = row, sealer, now

    @cached_property
    def _secrets(self) -> Sequence[Secret]:
        where, sealed = self._row, [self._row.secret]
        if where.old_secret is not None and where.old_until is not None and self._now < where.old_until:
            sealed.append(where.old_secret)
        return [self._sealer.open(each, endpoint=where.id, url=where.url, client=where.client) for each in sealed]

    def parcel(self, row: Row[Any], event: Event) -> Parcel:
        """Raises ``SecretTampered``."""
        where, secrets = self._row, self._secrets
        body = event.body if where.payload == "full" else canonical_json(event.thin())
        # What was asked for again is held back by nothing, so it is an order of its own.
        subject = f"{row.subject} {row.id}" if row.repeat else row.subject
        return Parcel(
            delivery=row.id,
            endpoint=where.id,
            url=where.url,
            attempt=row.attempts,
            order=(where.id, row.kind, subject),
            headers=signed_headers(event.id, body, secrets, now=self._now),
            body=body,
        )


def _new(endpoint: str, event: Event, now: datetime) -> dict[str, Any]:
    return {
        "endpoint_id": endpoint,
        "sequence": event.sequence,
        "event_id": event.id,
        "kind": event.kind,
        "type": event.type,
        "subject": event.subject,
        "state": "waiting",
        "repeat": False,
        "attempts": 0,
        "due_at": now,
        "created_at": now,
    }


def _endpoints(session: Session, ids: set[str]) -> dict[str, EndpointRow]:
    found = session.execute(
        select(EndpointRow).where(EndpointRow.id.in_(ids)).execution_options(populate_existing=True)
    ).scalars()
    return {row.id: row for row in found}


# Whoever lost its lease may tell of an attempt that another made meanwhile: the first word stands.
_ATTEMPTS: Final = text(
    """
    INSERT INTO webhook_attempts (delivery_id, number, at, status, latency_ms, problem, answer)
    SELECT delivery_id, number, :now, status, latency_ms, problem, answer
    FROM unnest(CAST(:deliveries AS bigint[]), CAST(:numbers AS int[]), CAST(:statuses AS int[]),
      CAST(:latencies AS int[]), CAST(:problems AS text[]), CAST(:answers AS text[]))
      AS tried (delivery_id, number, status, latency_ms, problem, answer)
    ON CONFLICT DO NOTHING
    """
)


def _note_attempts(session: Session, tried: Sequence[Outcome], now: datetime) -> None:
    if tried:
        columns = {
            "deliveries": [each.delivery for each in tried],
            "numbers": [each.attempt for each in tried],
            "statuses": [each.status for each in tried],
            "latencies": [each.latency_ms for each in tried],
            "problems": [each.problem for each in tried],
            "answers": [each.answer for each in tried],
        }
        session.execute(_ATTEMPTS, {"now": now, **columns})


def _note_taken(session: Session, deliveries: Sequence[int], now: datetime) -> None:
    if deliveries:
        session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.id.in_(deliveries), WAITING)
            .values(state="delivered", delivered_at=now, leased_until=None, first_failed_at=None, repeat=False)
        )


def _note_untried(session: Session, deliveries: Sequence[int]) -> None:
    if deliveries:
        session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.id.in_(deliveries), WAITING)
            .values(leased_until=None, attempts=DeliveryRow.attempts - 1)
        )


_FAILED: Final = text(
    """
    UPDATE webhook_deliveries SET leased_until = NULL, due_at = came.due_at,
      first_failed_at = coalesce(first_failed_at, :now)
    FROM unnest(CAST(:ids AS bigint[]), CAST(:due AS timestamptz[])) AS came (id, due_at)
    WHERE webhook_deliveries.id = came.id AND state = 'waiting'
    RETURNING webhook_deliveries.id, first_failed_at
    """
).bindparams(bindparam("ids"), bindparam("due"))


def _note_failed(session: Session, failed: Sequence[Outcome], now: datetime) -> Mapping[int, datetime]:
    if not failed:
        return {}
    due = [now + wait_after(each.attempt, asked=_asked(each, now)) for each in failed]
    rows = session.execute(_FAILED, {"ids": [each.delivery for each in failed], "due": due, "now": now})
    return {row.id: row.first_failed_at for row in rows}


def _asked(failed: Outcome, now: datetime) -> timedelta | None:
    return failed.retry_after if failed.retry_at is None else failed.retry_at - now


def _note_endpoints(session: Session, tried: Sequence[Outcome], now: datetime) -> None:
    """Whether the last attempt at each endpoint was taken."""
    taken = {each.endpoint for each in tried if each.problem is None}
    failed = {each.endpoint for each in tried if each.problem is not None}
    if taken:
        session.execute(update(EndpointRow).where(EndpointRow.id.in_(taken)).values(last_success_at=now))
    if taken - failed:
        is_failing = (EndpointRow.id.in_(taken - failed), EndpointRow.failing_since.is_not(None))
        session.execute(update(EndpointRow).where(*is_failing).values(failing_since=None))
    if failed:
        is_new = (EndpointRow.id.in_(failed), EndpointRow.failing_since.is_(None))
        session.execute(update(EndpointRow).where(*is_new).values(failing_since=now))


def _judge(session: Session, failed: Outcome, since: datetime, now: datetime) -> None:
    if failed.status == GONE:
        _disable(session, failed.endpoint, "the receiver answered 410: it wants no more", now)
    elif now - since >= FAILING_LIMIT:
        days = FAILING_LIMIT.days
        _disable(session, failed.endpoint, f"an event was not taken for {days} days: {failed.problem}", now)
    elif now - since >= WARNED_AFTER:
        why = (
            f"an event is not taken since {rfc3339(since)}: {failed.problem}; the endpoint is disabled after five days"
        )
        audit.raise_alarm(
            session, kind="webhook-failing", subject=failed.endpoint, step=rfc3339(since), why=why, now=now
        )


def _disable(session: Session, endpoint: str, reason: str, now: datetime) -> None:
    row = session.execute(
        select(EndpointRow).where(EndpointRow.id == endpoint, EndpointRow.state == "active").with_for_update()
    ).scalar_one_or_none()
    if row is None:
        return
    row.state, row.reason = "disabled", reason
    session.flush()
    note(session, row, "disabled", actor="webhooks", now=now)
    audit.raise_alarm(session, kind="webhook-disabled", subject=endpoint, step=rfc3339(now), why=reason, now=now)
