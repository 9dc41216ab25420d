"""Nonces of signed calls, until the call they came with is too old to be taken anyway."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base


class CallNonceRow(Base):
    """One signed call that was let in."""

    __tablename__ = "call_nonces"
    __table_args__ = (Index("ix_call_nonces_forgotten_at", "forgotten_at"),)

    key: Mapped[str] = mapped_column(primary_key=True)
    nonce: Mapped[str] = mapped_column(primary_key=True)
    forgotten_at: Mapped[datetime]
