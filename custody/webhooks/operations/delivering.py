"""Deliveries: made of events, and claimed for sending.

A claim is a lease: who is killed between sending and settling loses it, and the same event is sent again under the
same id. An event that was not taken holds back the later ones of its object, at that endpoint alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from custody.events import queries as told
from custody.events.model import Event
from custody.webhooks.formats import body_of, content_type
from custody.webhooks.model import TEST, Parcel
from custody.webhooks.operations.endpoints import give_up
from custody.webhooks.operations.holding import FRONT, mark_new
from custody.webhooks.signing import Sealer, Secret, SecretTampered, signed_headers
from custody.webhooks.tables import DeliveryRow, EndpointRow

_LOCK: Final = 0x77656268
"""Claims are made one after the other: two at once could overtake each other within one object."""
SHARE: Final = 300
"""Parcels at once for one endpoint: what is slow to answer leaves room for others."""
LATE_SHARE: Final = 40
"""Parcels at once for an endpoint that is late, or of which nothing is known yet."""
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
        wanted = [*row.types, TEST] if row.types else None
        page = told.after(session, cursor=row.position, limit=limit, client=row.client, kinds=wanted)
        found = [event for event in page.events if event.type != TEST or event.subject == row.id]
        if found:
            rows = [new_row(row.id, event, now) for event in found]
            mark_new(session, endpoint=row.id, rows=rows)
            session.execute(_MAKE, rows)
        row.position = page.cursor
        made += len(found)
    return made


# What was asked for before it was taken over stands already, as a repeat.
_MAKE: Final = insert(DeliveryRow).on_conflict_do_nothing(index_elements=["endpoint_id", "sequence"])

# Of each endpoint as many are looked at as there is room for, and of one that fails a few, so that the cost grows with
# nobody's backlog; endpoints take turns, so that nobody's old events go before everybody else's. Of each object its
# first ones are then read in their order: nothing leaves before one that is still out. Each endpoint has so many on
# their way, no more.
_CLAIM: Final = text(
    """
    UPDATE webhook_deliveries SET leased_until = :until, attempts = attempts + 1
    WHERE id = ANY(ARRAY(
      SELECT due.id FROM webhook_endpoints e CROSS JOIN LATERAL (
        WITH free AS MATERIALIZED (
          SELECT id, sequence, kind, subject, repeat FROM webhook_deliveries
          WHERE endpoint_id = e.id AND state = 'waiting' AND NOT held AND due_at <= :now
            AND coalesce(leased_until <= :now, true)
          ORDER BY due_at, sequence
          LIMIT CAST(CASE WHEN e.failing_since IS NULL THEN :room ELSE 4 * :failing_room END AS int)
        )
        SELECT d.id, d.sequence, row_number() OVER (ORDER BY d.sequence) AS turn FROM (
          SELECT id, sequence FROM free WHERE repeat
          UNION ALL
          SELECT line.id, line.sequence FROM (SELECT DISTINCT kind, subject FROM free WHERE NOT repeat) object
          CROSS JOIN LATERAL (
            SELECT id, sequence, bool_and(is_due) OVER (ORDER BY sequence) AS may_leave FROM (
              SELECT id, sequence, due_at <= :now AND coalesce(leased_until <= :now, true) AS is_due
              FROM webhook_deliveries
              WHERE endpoint_id = e.id AND state = 'waiting' AND NOT repeat AND kind = object.kind
                AND subject = object.subject
              ORDER BY sequence LIMIT :front
            ) first
          ) line WHERE line.may_leave
        ) d
        ORDER BY d.sequence
        LIMIT CAST(greatest(0, CASE WHEN e.failing_since IS NOT NULL THEN :failing_room
            WHEN e.id = ANY(coalesce(CAST(:prompt AS text[]), ARRAY[e.id])) THEN :share ELSE :late_share END - (
          SELECT count(*) FROM webhook_deliveries
          WHERE endpoint_id = e.id AND state = 'waiting' AND leased_until > :now)) AS int)
      ) due WHERE e.state = 'active' ORDER BY due.turn, due.sequence LIMIT :room))
    RETURNING id, endpoint_id, sequence, event_id, kind, subject, attempts, repeat
    """
)


def claim(
    session: Session,
    *,
    sealer: Sealer,
    lease: timedelta,
    room: int,
    now: datetime,
    prompt: Collection[str] | None = None,
) -> list[Parcel]:
    """Take up to ``room`` due deliveries for ``lease``, signed and ready to send, in the order they are to leave.

    ``prompt`` are the endpoints known to answer in time; None: all of them. Of others fewer are on their way at once.
    An endpoint whose secret does not open is disabled: nothing is sent unsigned.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    taken = session.execute(
        _CLAIM,
        {
            "now": now,
            "until": now + lease,
            "room": room,
            "front": FRONT,
            "share": SHARE,
            "late_share": LATE_SHARE,
            "prompt": None if prompt is None else list(prompt),
            "failing_room": _FAILING_ROOM,
        },
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
            give_up(session, endpoint=row.endpoint_id, reason=error.message, now=now)
    return parcels


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
        body = body_of(event, is_thin=where.payload == "thin", source=where.source)
        kind = {"content-type": content_type(where.source)}
        # What was asked for again is held back by nothing, so it is an order of its own.
        subject = f"{row.subject} {row.id}" if row.repeat else row.subject
        return Parcel(
            delivery=row.id,
            endpoint=where.id,
            url=where.url,
            attempt=row.attempts,
            order=(where.id, row.kind, subject),
            headers=kind | signed_headers(event.id, body, secrets, now=self._now),
            body=body,
            is_failing=where.failing_since is not None,
            client=where.client,
        )


def new_row(endpoint: str, event: Event, now: datetime) -> dict[str, Any]:
    """The columns of a delivery that waits. A test is held back by nothing."""
    return {
        "endpoint_id": endpoint,
        "sequence": event.sequence,
        "event_id": event.id,
        "kind": event.kind,
        "type": event.type,
        "subject": event.subject,
        "state": "waiting",
        "repeat": event.type == TEST,
        "held": False,
        "attempts": 0,
        "due_at": now,
        "created_at": now,
    }


def _endpoints(session: Session, ids: set[str]) -> dict[str, EndpointRow]:
    found = session.execute(
        select(EndpointRow).where(EndpointRow.id.in_(ids)).execution_options(populate_existing=True)
    ).scalars()
    return {row.id: row for row in found}
