"""Adding, changing, disabling and removing endpoints, and replacing their secrets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.clients import queries as clients
from custody.events import operations as events
from custody.events import queries as told
from custody.events.model import expect_type
from custody.kernel.clock import rfc3339
from custody.kernel.errors import Conflict, InvalidInput
from custody.kernel.ids import new_id
from custody.webhooks.model import OVERLAP, Endpoint
from custody.webhooks.operations.holding import mark
from custody.webhooks.places import read_url
from custody.webhooks.queries import UnknownEndpoint, view
from custody.webhooks.signing import Sealer, Secret
from custody.webhooks.tables import FREE, DeliveryRow, EndpointRow

PAYLOADS: Final = ("full", "thin")
MOST_TYPES: Final = 50


class EndpointState(Conflict):
    """The endpoint is in that state already."""

    code = "webhook-endpoint-state"


@dataclass(frozen=True, slots=True, repr=False)
class Made:
    """An endpoint with its new secret, which is shown this once. Has no readable ``repr``."""

    endpoint: Endpoint
    secret: Secret


def add(
    session: Session,
    *,
    url: str,
    client: str | None,
    types: Sequence[str],
    payload: str,
    label: str,
    sealer: Sealer,
    actor: str,
    now: datetime,
    source: str = "",
) -> Made:
    """Push to ``url``, from what is told next on. The caller looked the address up (``Places.read``) before the unit.

    ``source``: push CloudEvents of it; empty: events as the feed has them.
    Raises ``InvalidInput`` naming the field, and ``UnknownClient``.
    """
    read_url(url)
    if client is not None:
        clients.get(session, client=client)
    wanted, secret, endpoint = _types(types), Secret.fresh(), new_id("whe", now)
    row = EndpointRow(
        id=endpoint,
        url=url,
        client=client,
        types=wanted,
        payload=_payload(payload),
        source=source or None,
        label=label,
        state="active",
        secret=sealer.seal(secret, endpoint=endpoint, url=url, client=client),
        position=told.head(session),
        created_at=now,
        created_by=actor,
    )
    session.add(row)
    session.flush()
    note(session, row, "added", actor=actor, now=now)
    return Made(view(row), secret)


def change(
    session: Session,
    *,
    endpoint: str,
    sealer: Sealer,
    actor: str,
    now: datetime,
    url: str | None = None,
    types: Sequence[str] | None = None,
    payload: str | None = None,
    label: str | None = None,
    source: str | None = None,
) -> Endpoint:
    """Change what is named; the secret stays. An empty ``source``: events as the feed has them.

    Raises ``UnknownEndpoint``, ``InvalidInput`` and ``SecretTampered``.
    """
    row = held(session, endpoint)
    if url is not None and url != row.url:
        read_url(url)
        row.secret = _moved(row, url, row.secret, sealer)
        row.old_secret = None if row.old_secret is None else _moved(row, url, row.old_secret, sealer)
        row.url = url
    row.types = row.types if types is None else _types(types)
    row.payload = row.payload if payload is None else _payload(payload)
    row.label = row.label if label is None else label
    row.source = row.source if source is None else source or None
    session.flush()
    note(session, row, "changed", actor=actor, now=now)
    return view(row)


def rotate_secret(session: Session, *, endpoint: str, sealer: Sealer, actor: str, now: datetime) -> Made:
    """Give the endpoint a new secret; for a day both sign, so that the receiver changes over without a gap.

    Raises ``UnknownEndpoint``.
    """
    row, secret = held(session, endpoint), Secret.fresh()
    row.old_secret, row.old_until = row.secret, now + OVERLAP
    row.secret = sealer.seal(secret, endpoint=row.id, url=row.url, client=row.client)
    session.flush()
    note(session, row, "secret_replaced", actor=actor, now=now)
    return Made(view(row), secret)


def disable(session: Session, *, endpoint: str, reason: str, actor: str, now: datetime) -> Endpoint:
    """Send nothing there for now; what is told meanwhile waits. Raises ``UnknownEndpoint``, ``EndpointState``."""
    row = held(session, endpoint)
    if row.state == "disabled":
        raise EndpointState("the endpoint is disabled already", field="endpoint")
    row.state, row.reason = "disabled", reason
    session.flush()
    note(session, row, "disabled", actor=actor, now=now)
    return view(row)


def enable(session: Session, *, endpoint: str, actor: str, now: datetime) -> Endpoint:
    """Send there again, from where it stopped: nothing told meanwhile is left out, and waiting events go at once.

    Raises ``UnknownEndpoint``, ``EndpointState``.
    """
    row = held(session, endpoint)
    if row.state == "active":
        raise EndpointState("the endpoint is active already", field="endpoint")
    row.state, row.reason, row.failing_since = "active", None, None
    session.flush()
    _start_anew(session, row.id, now)
    note(session, row, "enabled", actor=actor, now=now)
    return view(row)


def remove(session: Session, *, endpoint: str, actor: str, now: datetime) -> None:
    """Send nothing there any more, and forget its secrets. Raises ``UnknownEndpoint``."""
    row = held(session, endpoint)
    row.state, row.secret, row.old_secret, row.old_until = "removed", b"", None, None
    session.flush()
    note(session, row, "removed", actor=actor, now=now)


def held(session: Session, endpoint: str) -> EndpointRow:
    """The row, locked to the end of the unit. Raises ``UnknownEndpoint``."""
    row = session.execute(
        select(EndpointRow).where(EndpointRow.id == endpoint, EndpointRow.state != "removed").with_for_update()
    ).scalar_one_or_none()
    if row is None:
        raise UnknownEndpoint("no such webhook endpoint", field="endpoint")
    return row


def give_up(session: Session, *, endpoint: str, reason: str, now: datetime) -> None:
    """Disable an active endpoint because nothing can be sent there, with an alarm."""
    row = session.execute(
        select(EndpointRow).where(EndpointRow.id == endpoint, EndpointRow.state == "active").with_for_update()
    ).scalar_one_or_none()
    if row is None:
        return
    row.state, row.reason = "disabled", reason
    session.flush()
    note(session, row, "disabled", actor="webhooks", now=now)
    audit.raise_alarm(session, kind="webhook-disabled", subject=endpoint, step=rfc3339(now), why=reason, now=now)


def note(session: Session, row: EndpointRow, event: str, *, actor: str, now: datetime) -> None:
    """Write down and tell that the endpoint changed."""
    facts = {"state": row.state, "reason": row.reason or ""}
    audit.record(session, event=f"webhook_endpoint.{event}", subject=row.id, actor=actor, now=now, facts=facts)
    events.publish(
        session,
        kind="webhook_endpoint",
        subject=row.id,
        event=event,
        data=view(row).to_json(),
        client=row.client,
        actor=actor,
        correlation_id="",
        now=now,
    )


def _moved(row: EndpointRow, url: str, sealed: bytes, sealer: Sealer) -> bytes:
    secret = sealer.open(sealed, endpoint=row.id, url=row.url, client=row.client)
    return sealer.seal(secret, endpoint=row.id, url=url, client=row.client)


def _start_anew(session: Session, endpoint: str, now: datetime) -> None:
    """What was not taken is due now, and counts its failures from the beginning. Nothing else is due later."""
    failed = update(DeliveryRow).where(
        FREE, DeliveryRow.endpoint_id == endpoint, DeliveryRow.first_failed_at.is_not(None)
    )
    again = failed.values(due_at=now, first_failed_at=None).returning(DeliveryRow.id)
    mark(session, deliveries=session.execute(again).scalars().all())


def _types(types: Sequence[str]) -> list[str]:
    if len(types) > MOST_TYPES:
        raise InvalidInput(f"more than {MOST_TYPES} types", field="types")
    return sorted({expect_type(each, field="types") for each in types})


def _payload(payload: str) -> str:
    if payload not in PAYLOADS:
        raise InvalidInput(f"not known; accepted are {', '.join(PAYLOADS)}", field="payload")
    return payload
