"""By which ways operators are told, every message, and what each was about."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base

WAITING: Final = text("state = 'waiting'")
"""A partial index serves only a query whose words the planner can see: never parameters."""


class ChannelRow(Base):
    """One way by which one operator is told. Its secret is sealed to its address, under a key that is not here."""

    __tablename__ = "notice_channels"
    __table_args__ = (
        CheckConstraint("kind IN ('mail', 'webhook')", name="kind"),
        CheckConstraint("secret IS NOT NULL OR confirmed_at IS NULL", name="secret"),
    )

    operator: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str]
    secret: Mapped[bytes | None]
    is_on: Mapped[bool]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]
    confirmed_at: Mapped[datetime | None]
    """When whoever reads what arrives there said so; a webhook is sent what it verifies, and needs no word."""


class MessageRow(Base):
    """One message. ``dropped``: when its turn came, nothing in it waited for the operator any more."""

    __tablename__ = "notice_messages"
    __table_args__ = (
        CheckConstraint("kind IN ('mail', 'webhook')", name="kind"),
        CheckConstraint("state IN ('waiting', 'sent', 'dropped', 'failed')", name="state"),
        CheckConstraint("says IN ('waiting', 'code')", name="says"),
        Index("ix_notice_messages_due_at", "due_at", postgresql_where=WAITING),
        Index("ix_notice_messages_operator_created_at", "operator", "created_at"),
        Index("ix_notice_messages_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    operator: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    says: Mapped[str] = mapped_column(server_default="waiting")
    """What waits, or the code that confirms the address."""
    intents: Mapped[int]
    attempts: Mapped[int]
    due_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    problem: Mapped[str | None]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class NoticeRow(Base):
    """That an operator is told of an intent by one channel: once, and once more near its deadline."""

    __tablename__ = "notices"
    __table_args__ = (
        CheckConstraint("stage IN ('first', 'reminder')", name="stage"),
        Index("ix_notices_message_id", "message_id"),
    )

    operator: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(ForeignKey("notice_messages.id"))
    created_at: Mapped[datetime]
