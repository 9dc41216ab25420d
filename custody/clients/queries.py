"""Reading clients."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.clients.tables import ClientRow
from custody.db.conditions import among as one_of
from custody.kernel.errors import NotFound


class UnknownClient(NotFound):
    """No client of that id."""

    code = "unknown-client"


@dataclass(frozen=True, slots=True)
class Client:
    """A client as other rooms see it."""

    id: str
    name: str
    segregation: str
    status: str
    status_reason: str | None
    opening: str
    opened_at: datetime


def get(session: Session, *, client: str, lock: bool = False) -> Client:
    """The client of that id; ``lock`` holds its row to the unit's end. Raises ``UnknownClient``."""
    query = select(ClientRow).where(ClientRow.id == client)
    row = session.execute(query.with_for_update() if lock else query).scalar_one_or_none()
    if row is None:
        raise UnknownClient("no such client", field="client")
    return _view(row)


def every(session: Session) -> list[Client]:
    """All clients, oldest first."""
    return [
        _view(row) for row in session.execute(select(ClientRow).order_by(ClientRow.opened_at, ClientRow.id)).scalars()
    ]


def page(session: Session, *, after: str = "", limit: int, among: Collection[str] | None = None) -> list[Client]:
    """The next ``limit`` clients by id, behind ``after``; only those ``among`` some, where named."""
    query = select(ClientRow).where(ClientRow.id > after).order_by(ClientRow.id).limit(limit)
    if among is not None:
        query = query.where(ClientRow.id.in_(sorted(among)))
    return [_view(row) for row in session.execute(query).scalars()]


def names(session: Session, *, clients: Collection[str]) -> dict[str, str]:
    """Id to name, of those of ``clients`` that there are."""
    if not clients:
        return {}
    rows = session.execute(select(ClientRow.id, ClientRow.name).where(one_of(ClientRow.id, clients)))
    return {row.id: row.name for row in rows}


def _view(row: ClientRow) -> Client:
    return Client(row.id, row.name, row.segregation, row.status, row.status_reason, row.opening, row.opened_at)
