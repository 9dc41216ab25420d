"""The outbox row."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base


class OutboxRow(Base):
    """One message to be delivered at least once."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_waiting", "due_at", postgresql_where=text("done_at IS NULL")),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    topic: Mapped[str]
    payload: Mapped[dict[str, Any]]
    correlation_id: Mapped[str]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    done_at: Mapped[datetime | None]
    failed: Mapped[str | None]
