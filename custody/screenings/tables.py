"""Screening results as they came."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base


class ScreeningRow(Base):
    """One signed result; never changed. ``message`` is what was signed, in hex."""

    __tablename__ = "screenings"
    __table_args__ = (
        UniqueConstraint("service", "message"),
        CheckConstraint("result IN ('clear', 'review', 'hit')", name="result"),
        Index("ix_screenings_newest", "chain", "destination", "service", text("stated_at DESC"), text("message DESC")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    message: Mapped[str]
    service: Mapped[str]
    stated_at: Mapped[datetime]
    document: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]
    chain: Mapped[str]
    destination: Mapped[str]
    result: Mapped[str]
