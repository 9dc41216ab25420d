"""Jobs and what each has handed out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base

_RESENDS: Final = text("endpoint_id IS NOT NULL AND state = 'running'")
"""At an endpoint one job sends again at a time."""


class JobRow(Base):
    """One job. What was asked never changes; how far it is does."""

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("requester", "idempotency_key"),
        CheckConstraint("state IN ('running', 'completed', 'failed')", name="state"),
        CheckConstraint("done BETWEEN 0 AND wanted", name="done"),
        CheckConstraint(
            "CASE kind WHEN 'addresses' THEN client_id IS NOT NULL WHEN 'resend' THEN endpoint_id IS NOT NULL END",
            name="kind",
        ),
        Index("ix_jobs_endpoint_id_id", "endpoint_id", "id", postgresql_where=text("endpoint_id IS NOT NULL")),
        Index("ix_jobs_endpoint_id_running", "endpoint_id", unique=True, postgresql_where=_RESENDS),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    requester: Mapped[str]
    idempotency_key: Mapped[str]
    asked: Mapped[dict[str, Any]]
    client_id: Mapped[str | None] = mapped_column(ForeignKey("clients.id"))
    endpoint_id: Mapped[str | None] = mapped_column(ForeignKey("webhook_endpoints.id"))
    wanted: Mapped[int]
    done: Mapped[int] = mapped_column(server_default=text("0"))
    place: Mapped[int | None] = mapped_column(BigInteger)
    """Behind which event the next piece begins, of a job that sends again."""
    state: Mapped[str]
    waiting_for: Mapped[str | None]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ResultRow(Base):
    """One address a job handed out, by its place in the job."""

    __tablename__ = "job_results"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    address_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("addresses.id"))
