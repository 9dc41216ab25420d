"""Keysets, vaults and the clients in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db import Base

FROZEN: Final = text("frozen_at IS NOT NULL")
"""A partial index serves only a query whose words the planner can see: never parameters."""


class KeysetRow(Base):
    """One registered keyset: never changed, and checked against its own signatures whenever it is read."""

    __tablename__ = "keysets"

    id: Mapped[str] = mapped_column(primary_key=True)
    chain: Mapped[str]
    threshold: Mapped[int]
    document: Mapped[dict[str, Any]]
    descriptor_hash: Mapped[str]
    consents: Mapped[list[Any]]
    registered_at: Mapped[datetime]


class VaultRow(Base):
    """One branch of a keyset. Freeze and last reconciliation are facts that rooms above write here."""

    __tablename__ = "vaults"
    __table_args__ = (
        UniqueConstraint("keyset_id", "branch"),
        CheckConstraint("kind IN ('segregated', 'pool', 'house')", name="kind"),
        CheckConstraint("(kind = 'house') = (keyset_id IS NULL)", name="keyset"),
        CheckConstraint("branch >= 0", name="branch"),
        Index("ix_vaults_frozen", "frozen_at", postgresql_where=FROZEN),
        Index("ix_vaults_opened_at_id", "opened_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    keyset_id: Mapped[str | None] = mapped_column(ForeignKey("keysets.id"))
    branch: Mapped[int]
    chain: Mapped[str]
    kind: Mapped[str]
    frozen_reason: Mapped[str | None]
    frozen_cause: Mapped[str | None]
    frozen_at: Mapped[datetime | None]
    reconciled_height: Mapped[int | None]
    reconciled_at: Mapped[datetime | None]
    opened_at: Mapped[datetime]


class VaultMemberRow(Base):
    """A client in a vault; one vault per client and keyset."""

    __tablename__ = "vault_members"
    __table_args__ = (Index("ix_vault_members_vault_id", "vault_id"),)

    client_id: Mapped[str] = mapped_column(primary_key=True)
    keyset_id: Mapped[str] = mapped_column(ForeignKey("keysets.id"), primary_key=True)
    vault_id: Mapped[str] = mapped_column(ForeignKey("vaults.id"))
    opening: Mapped[str]
    """Digest of the intent that put the client here."""
    since: Mapped[datetime]
