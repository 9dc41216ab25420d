"""Audit events and alarms."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base


class AuditRow(Base):
    """One link of the chain."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_subject", "subject"),
        Index("ix_audit_events_actor_sequence", "actor", "sequence"),
        Index("ix_audit_events_event_sequence", "event", "sequence"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]
    event: Mapped[str]
    subject: Mapped[str]
    facts: Mapped[dict[str, Any]]
    correlation_id: Mapped[str]
    previous_hash: Mapped[str]
    hash: Mapped[str]


class AlarmRow(Base):
    """Something a person must look at; (kind, subject, step) is raised once."""

    __tablename__ = "alarms"
    __table_args__ = (UniqueConstraint("kind", "subject", "step"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str]
    subject: Mapped[str]
    step: Mapped[str]
    raised_at: Mapped[datetime]
    why: Mapped[str]
