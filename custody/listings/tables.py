"""Listed destinations, what held one up, and what was seen at an address."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base

STANDING: Final = text("delisted_at IS NULL")
"""A partial index serves only a query whose words the planner can see: never parameters."""


class ListingRow(Base):
    """One destination on one client's list; ``digest`` is the intent that put it there."""

    __tablename__ = "listings"
    __table_args__ = (
        CheckConstraint("(delisted_at IS NULL) = (delisted_by IS NULL)", name="delisted"),
        Index("uq_listings_standing", "client_id", "chain", "locator", unique=True, postgresql_where=STANDING),
    )

    digest: Mapped[str] = mapped_column(ForeignKey("intents.digest"), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id"))
    chain: Mapped[str]
    destination: Mapped[str]
    locator: Mapped[bytes]
    label: Mapped[str]
    listed_at: Mapped[datetime]
    counts_from: Mapped[datetime]
    delisted_at: Mapped[datetime | None]
    delisted_by: Mapped[str | None] = mapped_column(ForeignKey("intents.digest"))


class ListingCheckRow(Base):
    """A listing that looks like a known destination: it waits for a second person's word."""

    __tablename__ = "listing_checks"

    digest: Mapped[str] = mapped_column(ForeignKey("intents.digest"), primary_key=True)
    looks_like: Mapped[str]
    noticed_at: Mapped[datetime]
    confirmation: Mapped[dict[str, Any] | None]
    confirmed_by: Mapped[str | None]
    confirmed_at: Mapped[datetime | None]


class DestinationCodeRow(Base):
    """What was seen at an address of a chain where contracts live, when it was looked at last."""

    __tablename__ = "destination_codes"
    __table_args__ = (CheckConstraint("code IN ('contract', 'plain')", name="code"),)

    chain: Mapped[str] = mapped_column(primary_key=True)
    locator: Mapped[bytes] = mapped_column(primary_key=True)
    code: Mapped[str]
    seen_at: Mapped[datetime]
