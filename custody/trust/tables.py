"""Trust root versions, and the newest word of each status service."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base


class TrustRootRow(Base):
    """One version, the policy text whose hash it states, and what proves it: its ceremony, or an intent."""

    __tablename__ = "trust_roots"
    __table_args__ = (CheckConstraint("(version = 1) = (proven IS NULL)", name="proven"),)

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(unique=True)
    document: Mapped[dict[str, Any]]
    """The root with signatures: of the ceremony, or of the cosigners of keysets that the version adds."""
    policy: Mapped[str]
    proven: Mapped[dict[str, Any] | None]
    """The intent that asked for a later version, with its approvals."""
    in_force_at: Mapped[datetime]


class StatusRow(Base):
    """The newest status statement of one service."""

    __tablename__ = "status_statements"

    service: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    document: Mapped[dict[str, Any]]
    said_at: Mapped[datetime]
    received_at: Mapped[datetime]
