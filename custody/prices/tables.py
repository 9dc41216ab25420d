"""Price marks as they came."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base, MoneyColumn


class MarkRow(Base):
    """One signed price; never changed. ``message`` is what was signed, in hex."""

    __tablename__ = "price_marks"
    __table_args__ = (
        UniqueConstraint("service", "message"),
        Index("ix_price_marks_newest", "asset", "service", text("stated_at DESC"), text("message DESC")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    message: Mapped[str]
    service: Mapped[str]
    stated_at: Mapped[datetime]
    document: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]
    asset: Mapped[str]
    usd_picos: Mapped[int] = mapped_column(MoneyColumn)
