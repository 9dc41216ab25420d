"""Opening and freezing clients."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.clients.tables import ClientRow
from custody.kernel.errors import Conflict


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


def freeze(session: Session, *, client: str, reason: str, actor: str, now: datetime) -> bool:
    """Freeze an active client, and raise the alarm; returns False where it was not active already."""
    changed = session.execute(
        update(ClientRow)
        .where(ClientRow.id == client, ClientRow.status == "active")
        .values(status="frozen", status_reason=reason, status_since=now)
        .returning(ClientRow.id)
    ).scalar_one_or_none()
    if changed is None:
        return False
    audit.record(session, event="client.frozen", subject=client, actor=actor, now=now, facts={"reason": reason})
    audit.raise_alarm(session, kind="client-frozen", subject=client, step=reason, why=reason, now=now)
    return True


def is_open(session: Session, *, client: str) -> bool:
    """Whether there is a client of that id."""
    return session.execute(select(ClientRow.id).where(ClientRow.id == client)).scalar_one_or_none() is not None
