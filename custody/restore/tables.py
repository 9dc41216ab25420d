"""Which database this is, and the restorations it went through."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base


class IdentityRow(Base):
    """What the database that last ran us was: a copy or an older state of it is another one."""

    __tablename__ = "database_identity"
    __table_args__ = (CheckConstraint("one", name="one"),)

    one: Mapped[bool] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    noted_at: Mapped[datetime]


class RestorationRow(Base):
    """One restoration; at most one is not over. While it is not, triggers refuse what must wait."""

    __tablename__ = "restorations"
    __table_args__ = (
        Index("uq_restorations_open", text("(true)"), unique=True, postgresql_where=text("resumed_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    reason: Mapped[str]
    noticed_at: Mapped[datetime]
    tips: Mapped[dict[str, Any]]
    goals: Mapped[list[Any]]
    watched_at: Mapped[datetime | None]
    resumed_at: Mapped[datetime | None]
