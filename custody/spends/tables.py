"""Attempts and reservations."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base, MoneyColumn

ON_THEIR_WAY: Final = text("state IN ('composed', 'signed', 'sent')")
"""A partial index serves only a query whose words the planner can see: never parameters."""


class AttemptRow(Base):
    """One transaction that would pay the withdrawal. ``inputs`` name claims with their place in the vault.

    ``pays`` is False where it gives the withdrawal up: it uses up the same claims for nothing.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        UniqueConstraint("withdrawal_id", "sequence"),
        Index("uq_attempts_spend", "txid", unique=True, postgresql_where=text("state <> 'abandoned'")),
        Index("ix_attempts_txid", "txid"),
        CheckConstraint("state IN ('composed', 'signed', 'sent', 'confirmed', 'replaced', 'abandoned')", name="state"),
        Index("ix_attempts_on_their_way", "chain", postgresql_where=ON_THEIR_WAY),
        Index("ix_attempts_chain_confirmed_height", "chain", "confirmed_height"),
        CheckConstraint(
            "state IN ('composed', 'confirmed', 'replaced', 'abandoned') OR final IS NOT NULL", name="final"
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    withdrawal_id: Mapped[str]
    sequence: Mapped[int]
    chain: Mapped[str]
    vault_id: Mapped[str] = mapped_column(ForeignKey("vaults.id"))
    inputs: Mapped[list[Any]]
    change_index: Mapped[int | None]
    unsigned: Mapped[str]
    txid: Mapped[str]
    fee_units: Mapped[int] = mapped_column(MoneyColumn)
    weight: Mapped[int]
    pays: Mapped[bool] = mapped_column(server_default=text("true"))
    state: Mapped[str]
    final: Mapped[bytes | None]
    composed_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    confirmed_height: Mapped[int | None]


class ReservationRow(Base):
    """One claim set aside for one withdrawal; the primary key lets one win (P-081)."""

    __tablename__ = "reservations"
    __table_args__ = (Index("ix_reservations_withdrawal_id", "withdrawal_id"),)

    chain: Mapped[str] = mapped_column(primary_key=True)
    claim: Mapped[str] = mapped_column(primary_key=True)
    withdrawal_id: Mapped[str]
    reserved_at: Mapped[datetime]
