"""Events as they were told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base


class EventRow(Base):
    """One change of one object. ``sequence`` has no gaps and follows the order of commits: it is the cursor.

    ``occurred_at`` is null where it happened as it was written down, ``at``.
    """

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("id"),
        UniqueConstraint("kind", "subject", "version"),
        Index("ix_events_client_sequence", "client", "sequence"),
        Index("ix_events_at", "at"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    id: Mapped[str]
    kind: Mapped[str]
    subject: Mapped[str]
    event: Mapped[str]
    version: Mapped[int]
    client: Mapped[str | None]
    actor: Mapped[str]
    correlation_id: Mapped[str]
    at: Mapped[datetime]
    occurred_at: Mapped[datetime | None]
    data: Mapped[dict[str, Any]]
