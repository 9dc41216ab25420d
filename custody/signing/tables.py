"""Bundles, deliveries, answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base

OPEN: Final = text("state = 'open'")
"""A partial index serves only a query whose words the planner can see: never parameters."""


class BundleRow(Base):
    """One attempt's bundle, as given to cosigners, and the final transaction once a quorum signed."""

    __tablename__ = "bundles"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'complete', 'refused', 'abandoned')", name="state"),
        CheckConstraint("(state = 'complete') = (final IS NOT NULL AND txid IS NOT NULL)", name="final"),
        Index("ix_bundles_open", "keyset_id", postgresql_where=OPEN),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    attempt_id: Mapped[str] = mapped_column(unique=True)
    keyset_id: Mapped[str] = mapped_column(ForeignKey("keysets.id"))
    vault_id: Mapped[str] = mapped_column(ForeignKey("vaults.id"))
    threshold: Mapped[int]
    members: Mapped[int]
    document: Mapped[dict[str, Any]]
    digest: Mapped[str]
    inputs: Mapped[list[Any]]
    root_version: Mapped[int]
    """Of the trust root it is given out under."""
    state: Mapped[str]
    final: Mapped[bytes | None]
    txid: Mapped[str | None]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class DeliveryRow(Base):
    """From this moment this cosigner may have signed."""

    __tablename__ = "bundle_deliveries"
    __table_args__ = (Index("ix_bundle_deliveries_cosigner_given_at", "cosigner", "given_at"),)

    bundle_id: Mapped[str] = mapped_column(ForeignKey("bundles.id"), primary_key=True)
    cosigner: Mapped[str] = mapped_column(primary_key=True)
    given_at: Mapped[datetime]


class AnswerRow(Base):
    """A cosigner's one answer to a bundle: signatures as its chain reads them (place → hex) or a signed refusal."""

    __tablename__ = "bundle_answers"
    __table_args__ = (CheckConstraint("verdict IN ('signed', 'refused')", name="verdict"),)

    bundle_id: Mapped[str] = mapped_column(ForeignKey("bundles.id"), primary_key=True)
    cosigner: Mapped[str] = mapped_column(primary_key=True)
    verdict: Mapped[str]
    signatures: Mapped[dict[str, Any]]
    refusal: Mapped[dict[str, Any] | None]
    at: Mapped[datetime]


class QuarantineRow(Base):
    """A cosigner that answered with something else than it was given: nothing of it counts any more."""

    __tablename__ = "quarantined_cosigners"

    cosigner: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    at: Mapped[datetime]
