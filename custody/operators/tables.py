"""Questions put to passkeys, what is known of each passkey, candidates, and who is signed in to the console."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base


class ChallengeRow(Base):
    """One question put to one operator's passkey. It is answered once, before it expires, or never."""

    __tablename__ = "challenges"
    __table_args__ = (
        CheckConstraint(
            "purpose IN ('approval', 'enrolment', 'request', 'sign_in', 'invitation', 'step_up')", name="purpose"
        ),
        Index("ix_challenges_operator_expires_at", "operator", "expires_at"),
    )

    challenge: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    operator: Mapped[str]
    document: Mapped[dict[str, Any]]
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class CredentialRow(Base):
    """What is known of one passkey besides its key: the highest counter it has shown, and whether it is locked."""

    __tablename__ = "credentials"

    id: Mapped[str] = mapped_column(primary_key=True)
    operator: Mapped[str]
    sign_count: Mapped[int] = mapped_column(BigInteger)
    used_at: Mapped[datetime | None]
    locked_at: Mapped[datetime | None]


class CandidateRow(Base):
    """A passkey that was registered and counts for nothing until a version of the trust root names it."""

    __tablename__ = "credential_candidates"

    id: Mapped[str] = mapped_column(primary_key=True)
    operator: Mapped[str]
    public_key: Mapped[str]
    sign_count: Mapped[int] = mapped_column(BigInteger)
    registered_at: Mapped[datetime]


class SignInRow(Base):
    """One operator signed in to the console; of the cookie only the SHA-256 is kept."""

    __tablename__ = "console_sign_ins"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    operator: Mapped[str]
    opened_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    """When something was last done by it, to within some seconds."""
    expires_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class InvitationRow(Base):
    """One person may register one passkey, once; of the secret in the link only the SHA-256 is kept."""

    __tablename__ = "console_invitations"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    operator: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
