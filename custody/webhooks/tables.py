"""Endpoints, what is to be delivered to each, and what came of every attempt."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base

WAITING: Final = text("state = 'waiting'")
"""A partial index serves only a query whose words the planner can see: never parameters."""
FREE: Final = text("state = 'waiting' AND NOT held")
_LEASED: Final = text("state = 'waiting' AND leased_until IS NOT NULL")


class EndpointRow(Base):
    """One address that events are pushed to. Its secrets are sealed under a key that is not in the database."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'disabled', 'removed')", name="state"),
        CheckConstraint("payload IN ('full', 'thin')", name="payload"),
        CheckConstraint("(old_secret IS NULL) = (old_until IS NULL)", name="old_secret"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    client: Mapped[str | None]
    types: Mapped[list[Any]]
    payload: Mapped[str]
    source: Mapped[str | None]
    """Of the CloudEvents it gets; null where it gets events as the feed has them."""
    label: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str | None]
    secret: Mapped[bytes]
    old_secret: Mapped[bytes | None]
    old_until: Mapped[datetime | None]
    position: Mapped[int] = mapped_column(BigInteger)
    """Cursor up to which events were taken over as deliveries."""
    failing_since: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str]


class DeliveryRow(Base):
    """One event for one endpoint. A ``repeat`` was asked for again: it neither holds anything back nor is held.

    ``held`` marks what has more than ``FRONT`` of its object before it, or one that was not taken, so that claims pass
    over it, and nothing ever reads an object further than that. What may leave is decided by the object's first rows
    themselves: a mark that is missing costs time, never the order.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "sequence"),
        CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="state"),
        Index(
            "ix_webhook_deliveries_order",
            *("endpoint_id", "kind", "subject", "repeat", "sequence"),
            postgresql_where=WAITING,
        ),
        Index("ix_webhook_deliveries_due", "endpoint_id", "due_at", "sequence", postgresql_where=FREE),
        Index("ix_webhook_deliveries_leased", "endpoint_id", "leased_until", postgresql_where=_LEASED),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.id"))
    sequence: Mapped[int] = mapped_column(ForeignKey("events.sequence"))
    event_id: Mapped[str]
    kind: Mapped[str]
    type: Mapped[str]
    subject: Mapped[str]
    state: Mapped[str]
    repeat: Mapped[bool]
    held: Mapped[bool] = mapped_column(server_default=text("false"))
    attempts: Mapped[int]
    due_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    first_failed_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class AttemptRow(Base):
    """One try: what the receiver answered, or why nothing was sent."""

    __tablename__ = "webhook_attempts"

    delivery_id: Mapped[int] = mapped_column(ForeignKey("webhook_deliveries.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    status: Mapped[int | None]
    latency_ms: Mapped[int]
    problem: Mapped[str | None]
    answer: Mapped[str]
