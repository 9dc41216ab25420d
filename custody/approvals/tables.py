"""Intents as they were asked for, and the approvals given on them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, Computed, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base

PENDING: Final = text("state = 'pending'")
"""A partial index serves only a query whose words the planner can see: never parameters."""
DELAYED: Final = text("state = 'approved' AND not_before > decided_at")
"""Agreed to before its delay was over: few are, whatever history there is."""

TAKEN_BACK: Final = text("state IN ('rejected', 'withdrawn')")
ASKS: Final = "decision - '{trace,usage,facts,rules,would_change}'::text[]"
"""Of a decision, what it asks for: without why, which is large."""
ASKING: Final = """hashtextextended(coalesce((decision -> 'approvals')::text, '{}')
  || coalesce((decision -> 'roles')::text, '[]'), 0)"""
"""Of whom it is asked, as one number: jsonb says the same in the same words."""


class IntentRow(Base):
    """One intent. Only ``decision``, ``state``, ``heard`` and its times ever change (a trigger says so)."""

    __tablename__ = "intents"
    __table_args__ = (
        UniqueConstraint("requester", "idempotency_key"),
        CheckConstraint("state IN ('pending', 'approved', 'rejected', 'denied', 'expired', 'withdrawn')", name="state"),
        Index("ix_intents_pending", "not_after", "digest", postgresql_where=PENDING),
        Index("ix_intents_pending_created_at", "created_at", postgresql_where=PENDING),
        Index("ix_intents_pending_asking", "asking", "requester", postgresql_where=PENDING),
        Index("ix_intents_delayed", "not_before", postgresql_where=DELAYED),
        Index("ix_intents_taken_back", "not_after", postgresql_where=TAKEN_BACK),
        Index("ix_intents_not_before", "not_before"),
        Index("ix_intents_created_at", "created_at"),
        Index("ix_intents_with_delay", "not_before", postgresql_where=text("not_before > created_at")),
    )

    digest: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    document: Mapped[dict[str, Any]]
    request_hash: Mapped[str]
    request_signature: Mapped[dict[str, Any]]
    requester: Mapped[str]
    idempotency_key: Mapped[str]
    client_id: Mapped[str]
    decision: Mapped[dict[str, Any]]
    state: Mapped[str]
    not_after: Mapped[datetime]
    not_before: Mapped[datetime | None]
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    carried_out_at: Mapped[datetime | None]
    heard: Mapped[list[str]] = mapped_column(ARRAY(TEXT), server_default="{}", deferred=True)
    """Who has ever said something of it, written by the database. Whether it still counts, the approvals say."""
    heard_until: Mapped[datetime | None] = mapped_column(deferred=True)
    """Until then every word of it stands."""
    obligations: Mapped[dict[str, Any]] = mapped_column(Computed(ASKS, persisted=True), deferred=True)
    """Written by the database, so that a queue is counted without reading every decision."""
    asking: Mapped[int] = mapped_column(BigInteger, Computed(ASKING, persisted=True), deferred=True)
    """The same for all that ask the same of people."""


class ApprovalRow(Base):
    """One person's verdict on one digest, whole. A trigger refuses a second one while the first stands."""

    __tablename__ = "approvals"
    __table_args__ = (
        UniqueConstraint("approver", "nonce"),
        UniqueConstraint("credential", "challenge"),
        CheckConstraint("verdict IN ('approve', 'reject')", name="verdict"),
        CheckConstraint("(credential IS NULL) = (challenge IS NULL)", name="passkey"),
        Index("ix_approvals_digest_approver", "digest", "approver"),
        Index("ix_approvals_not_after", "not_after"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("intents.digest"))
    approver: Mapped[str]
    verdict: Mapped[str]
    nonce: Mapped[str]
    document: Mapped[dict[str, Any]]
    given_at: Mapped[datetime]
    not_after: Mapped[datetime]
    credential: Mapped[str | None]
    """Of a verdict by passkey: which one, and the challenge it answered."""
    challenge: Mapped[str | None]


class ReasonRow(Base):
    """Why somebody is about to say no, in words beside the statement: nobody signs them.

    It belongs to the verdict that answers ``challenge``, if one ever does.
    """

    __tablename__ = "rejection_reasons"
    __table_args__ = (Index("ix_rejection_reasons_digest", "digest"),)

    challenge: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("intents.digest"))
    approver: Mapped[str]
    reason: Mapped[str]
    said_at: Mapped[datetime]
