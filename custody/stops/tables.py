"""Stops, one row each, kept for ever."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base

STANDING: Final = text("lifted_at IS NULL")
"""A partial index serves only a query whose words the planner can see: never parameters."""
OF_THE_DAEMON: Final = text("lifted_at IS NULL AND digest IS NULL")


class StopRow(Base):
    """Why something is stopped. ``digest`` is the intent that asked for it; what the daemon found has none."""

    __tablename__ = "stops"
    __table_args__ = (
        CheckConstraint("scope IN ('client', 'vault', 'asset', 'everything')", name="scope"),
        CheckConstraint("cause IN ('people', 'reorg', 'break', 'rules')", name="cause"),
        CheckConstraint("(cause = 'people') = (digest IS NOT NULL)", name="digest"),
        CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name="lifted"),
        CheckConstraint("(scope = 'everything') = (subject = 'everything')", name="everything"),
        Index("uq_stops_digest", "digest", unique=True),
        Index("uq_stops_standing", "scope", "subject", "cause", unique=True, postgresql_where=OF_THE_DAEMON),
        Index("ix_stops_standing", "scope", "subject", postgresql_where=STANDING),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    scope: Mapped[str]
    subject: Mapped[str]
    cause: Mapped[str]
    reason: Mapped[str]
    digest: Mapped[str | None] = mapped_column(ForeignKey("intents.digest"))
    since: Mapped[datetime]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None] = mapped_column(ForeignKey("intents.digest"))
