"""Reading what was told: by cursor, oldest first, for everybody or for some clients."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Select, and_, any_, func, literal, or_, select
from sqlalchemy.orm import Session

from custody.events.model import Event
from custody.events.tables import EventRow
from custody.kernel.errors import NotFound


class UnknownEvent(NotFound):
    """No event of that id."""

    code = "unknown-event"


@dataclass(frozen=True, slots=True)
class Page:
    """Some events, and from where to read on: nothing asked for lies between the last of them and ``cursor``."""

    events: tuple[Event, ...]
    cursor: int


def after(
    session: Session,
    *,
    cursor: int,
    limit: int,
    client: str | Collection[str] | None = None,
    kinds: Collection[str] | None = None,
    subject: str | None = None,
) -> Page:
    """Up to ``limit`` events told after ``cursor`` (0: from the beginning), oldest first.

    ``client``: only what concerns this one, or one of these. ``kinds``: only these kinds (``withdrawal``) or types
    (``withdrawal.approved``). ``subject``: only what is told of the object of that id, whose kind is among ``kinds``;
    raises ``UnknownEvent`` where nothing ever was.
    """
    newest = head(session)
    query = select(EventRow).where(EventRow.sequence > cursor, EventRow.sequence <= newest)
    if subject is not None:
        query = query.where(EventRow.subject == subject)
        _expect_told_of(session, subject, client, kinds)
    rows = session.execute(_only(query, client, kinds).order_by(EventRow.sequence).limit(limit)).scalars().all()
    events = tuple(view(row) for row in rows)
    if len(events) == limit:
        return Page(events, events[-1].sequence)
    return Page(events, max(newest, cursor))


def head(session: Session) -> int:
    """The newest cursor; 0 before anything was told."""
    return session.execute(select(func.coalesce(func.max(EventRow.sequence), 0))).scalar_one()


def by_id(session: Session, *, event: str, client: str | Collection[str] | None = None) -> Event:
    """The event of that id. Raises ``UnknownEvent``, also where it concerns none of ``client``."""
    row = session.execute(_only(select(EventRow).where(EventRow.id == event), client, None)).scalar_one_or_none()
    if row is None:
        raise UnknownEvent("no such event", field="event")
    return view(row)


def by_sequences(session: Session, sequences: Collection[int]) -> dict[int, Event]:
    """The events of these cursors. One array, so that the statement stays prepared however many there are."""
    wanted = literal(sorted(sequences), ARRAY(BigInteger))
    rows = session.execute(select(EventRow).where(EventRow.sequence == any_(wanted))).scalars()
    return {row.sequence: view(row) for row in rows}


def of_subject(session: Session, *, kind: str, subject: str) -> list[Event]:
    """Everything told of one object, oldest first."""
    query = select(EventRow).where(EventRow.kind == kind, EventRow.subject == subject).order_by(EventRow.version)
    return [view(row) for row in session.execute(query).scalars()]


def first_since(session: Session, *, since: datetime) -> int:
    """The cursor from which everything told at ``since`` or later is read."""
    query = select(func.min(EventRow.sequence)).where(EventRow.at >= since)
    found = session.execute(query).scalar_one_or_none()
    return head(session) if found is None else found - 1


def view(row: EventRow) -> Event:
    """The stored row as a value."""
    return Event(
        sequence=row.sequence,
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        event=row.event,
        version=row.version,
        client=row.client,
        actor=row.actor,
        at=row.at,
        occurred_at=row.occurred_at or row.at,
        data=row.data,
    )


def _expect_told_of(
    session: Session, subject: str, client: str | Collection[str] | None, kinds: Collection[str] | None
) -> None:
    """A name that is mistyped is said at once, and not waited for."""
    of = None if kinds is None else {kind.partition(".")[0] for kind in kinds}
    query = _only(select(EventRow.sequence).where(EventRow.subject == subject), client, of)
    if session.execute(query.limit(1)).first() is None:
        raise UnknownEvent("nothing was told of an object of this id", field="subject")


def _only(query: Select[Any], client: str | Collection[str] | None, kinds: Collection[str] | None) -> Select[Any]:
    if client is not None:
        query = query.where(EventRow.client.in_([client] if isinstance(client, str) else list(client)))
    if kinds is not None:
        query = query.where(or_(*(_is_of(kind) for kind in kinds)))
    return query


def _is_of(kind: str) -> Any:
    name, _, event = kind.partition(".")
    return and_(EventRow.kind == name, EventRow.event == event) if event else EventRow.kind == name
