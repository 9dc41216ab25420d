"""What was proposed, beside the intents that ask for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base


class ProposalRow(Base):
    """The version of the trust root that an intent names by its hash, with its policy."""

    __tablename__ = "proposals"
    __table_args__ = (Index("ix_proposals_version", "version"),)

    digest: Mapped[str] = mapped_column(ForeignKey("intents.digest"), primary_key=True)
    version: Mapped[int]
    document: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
