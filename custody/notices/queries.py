"""Channels and messages as they stand."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.notices.model import Channel, Message
from custody.notices.tables import ChannelRow, MessageRow


def channels(session: Session, *, operator: str | None = None) -> list[Channel]:
    """Every channel, by operator and kind; or one operator's."""
    query = select(ChannelRow).order_by(ChannelRow.operator, ChannelRow.kind)
    if operator is not None:
        query = query.where(ChannelRow.operator == operator)
    return [channel_of(row) for row in session.execute(query).scalars()]


def messages(session: Session, *, limit: int, operator: str | None = None) -> list[Message]:
    """The newest messages; or one operator's."""
    query = select(MessageRow).order_by(MessageRow.created_at.desc(), MessageRow.id.desc()).limit(limit)
    if operator is not None:
        query = query.where(MessageRow.operator == operator)
    return [_message(row) for row in session.execute(query).scalars()]


def channel_of(row: ChannelRow) -> Channel:
    """The row as others see it: without its secret."""
    return Channel(row.operator, row.kind, row.address, row.is_on, row.changed_at, row.changed_by, row.confirmed_at)


def _message(row: MessageRow) -> Message:
    return Message(
        id=row.id,
        operator=row.operator,
        kind=row.kind,
        state=row.state,
        says=row.says,
        intents=row.intents,
        attempts=row.attempts,
        problem=row.problem,
        created_at=row.created_at,
        sent_at=row.sent_at,
    )
