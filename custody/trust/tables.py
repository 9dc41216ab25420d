"""Trust root versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base


class TrustRootRow(Base):
    """One version with its ceremony's signatures, and the policy text whose hash it states."""

    __tablename__ = "trust_roots"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(unique=True)
    document: Mapped[dict[str, Any]]
    policy: Mapped[str]
    in_force_at: Mapped[datetime]
