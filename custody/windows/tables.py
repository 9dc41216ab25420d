"""Admissions: every request that the policy let on its way, as it was when it was asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import TIMESTAMP, BigInteger, CheckConstraint, Identity, Index, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base, MoneyColumn

COUNTED: Final = text("NOT released")
"""A partial index serves only a query whose words the planner can see: never parameters."""

COUNTS_UNTIL: Final = literal_column("(coalesce(ended_at, timestamptz 'infinity'))", TIMESTAMP(timezone=True))
"""When a window may begin to forget it: what is on its way is never forgotten."""


class AdmissionRow(Base):
    """One request that counts. ``sequence`` grows in the order in which requests were admitted under one lock.

    What a window counts under, or adds up, stands in columns of its own, unknown as NULL; all else is in ``facts``.
    """

    __tablename__ = "admissions"
    __table_args__ = (
        CheckConstraint("units > 0", name="units"),
        CheckConstraint("usd_micros > 0", name="usd_micros"),
        Index("ix_admissions_everyone", COUNTS_UNTIL, postgresql_where=COUNTED),
        Index("ix_admissions_client", "client", COUNTS_UNTIL, postgresql_where=COUNTED),
        Index("ix_admissions_destination", "destination", COUNTS_UNTIL, postgresql_where=COUNTED),
        Index("ix_admissions_asset", "asset", COUNTS_UNTIL, postgresql_where=COUNTED),
        Index("ix_admissions_requester", "requester", COUNTS_UNTIL, postgresql_where=COUNTED),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    """An intent's; the database holds it to that."""
    client: Mapped[str | None]
    destination: Mapped[str | None]
    asset: Mapped[str | None]
    requester: Mapped[str | None]
    units: Mapped[int | None] = mapped_column(MoneyColumn)
    usd_micros: Mapped[int | None] = mapped_column(MoneyColumn)
    facts: Mapped[dict[str, Any]]
    ended_at: Mapped[datetime | None]
    """When it was done; NULL while it is on its way."""
    released: Mapped[bool]
    """It ended without paying: its share is free again."""
