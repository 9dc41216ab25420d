"""Opening and freezing clients."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.clients import queries
from custody.clients.shown import client_view
from custody.clients.tables import ClientRow
from custody.events import operations as events
from custody.kernel.clock import rfc3339
from custody.kernel.errors import Conflict
from custody.stops import operations as stops
from custody.stops.model import Cause


class ClientExists(Conflict):
    """The id or the name is taken."""

    code = "client-exists"


def open_client(
    session: Session, *, client: str, name: str, segregation: str, opening: str, actor: str, now: datetime
) -> None:
    """Write an active client. ``opening`` is its approved intent's digest. Raises ``ClientExists``."""
    taken = session.execute(select(ClientRow.id).where((ClientRow.id == client) | (ClientRow.name == name))).first()
    if taken:
        raise ClientExists("that client id or name is taken", field="request.client")
    session.add(
        ClientRow(
            id=client,
            name=name,
            segregation=segregation,
            status="active",
            status_since=now,
            opening=opening,
            opened_at=now,
        )
    )
    session.flush()
    audit.record(session, event="client.opened", subject=client, actor=actor, now=now, facts={"opening": opening})
    _tell(session, client, "opened", actor, now)


def freeze(session: Session, *, client: str, reason: str, actor: str, now: datetime) -> bool:
    """Freeze a client for what a reorg left it owing, and raise the alarm; False where it is so already."""
    stopped = stops.put(session, scope="client", subject=client, cause=Cause.REORG, reason=reason, now=now)
    changed = note_stopped(session, client=client, reason=reason, actor=actor, now=now)
    if stopped:
        step = f"{reason} {rfc3339(now)}"
        audit.raise_alarm(session, kind="client-frozen", subject=client, step=step, why=reason, now=now)
    return changed


def note_stopped(session: Session, *, client: str, reason: str, actor: str, now: datetime) -> bool:
    """An active client is stopped: it is frozen. False where it was not active; what it was before stays to be seen."""
    changed = session.execute(
        update(ClientRow)
        .where(ClientRow.id == client, ClientRow.status == "active")
        .values(status="frozen", status_reason=reason, status_since=now)
        .returning(ClientRow.id)
    ).scalar_one_or_none()
    if changed is not None:
        audit.record(session, event="client.frozen", subject=client, actor=actor, now=now, facts={"reason": reason})
        _tell(session, client, "frozen", actor, now)
    return changed is not None


def note_lifted(session: Session, *, client: str, actor: str, now: datetime) -> bool:
    """A stop of the client was lifted: a frozen one is active again where none stands any more."""
    if stops.is_stopped(session, scope="client", subject=client):
        return False
    changed = session.execute(
        update(ClientRow)
        .where(ClientRow.id == client, ClientRow.status == "frozen")
        .values(status="active", status_reason=None, status_since=now)
        .returning(ClientRow.id)
    ).scalar_one_or_none()
    if changed is not None:
        audit.record(session, event="client.unfrozen", subject=client, actor=actor, now=now)
        _tell(session, client, "unfrozen", actor, now)
    return changed is not None


def is_open(session: Session, *, client: str) -> bool:
    """Whether there is a client of that id."""
    return session.execute(select(ClientRow.id).where(ClientRow.id == client)).scalar_one_or_none() is not None


def _tell(session: Session, client: str, event: str, actor: str, now: datetime) -> None:
    events.publish(
        session,
        kind="client",
        subject=client,
        event=event,
        data=client_view(queries.get(session, client=client)),
        client=client,
        actor=actor,
        correlation_id="",
        now=now,
    )
