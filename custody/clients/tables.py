"""The client row."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base


class ClientRow(Base):
    """One client. ``opening`` is the digest of the intent that opened it."""

    __tablename__ = "clients"
    __table_args__ = (
        CheckConstraint("segregation IN ('segregated', 'omnibus')", name="segregation"),
        Index("ix_clients_name", text('(lower(name) COLLATE "C")'), "id"),
        CheckConstraint("status IN ('active', 'frozen', 'defaulted', 'closed')", name="status"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    segregation: Mapped[str]
    status: Mapped[str]
    status_reason: Mapped[str | None]
    status_since: Mapped[datetime]
    opening: Mapped[str]
    opened_at: Mapped[datetime]
