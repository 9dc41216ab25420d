"""Deposits, their transitions, and how far each chain's movements were taken up."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db import Base, MoneyColumn

WAITING: Final = text("state IN ('seen', 'confirming')")
SEEN: Final = text("state = 'seen'")
CONFIRMING: Final = text("state = 'confirming'")
UNBACKED: Final = text("unbacked")
"""A partial index serves only a query whose words the planner can see: never parameters, nor ``unbacked IS true``."""


class DepositRow(Base):
    """One arrival for ever. ``occurrence`` counts how often it was booked; ``step`` its transitions."""

    __tablename__ = "deposits"
    __table_args__ = (
        UniqueConstraint("chain", "txid", "position"),
        CheckConstraint("state IN ('seen', 'confirming', 'credited', 'orphaned', 'quarantined', 'dust')", name="state"),
        CheckConstraint("units > 0", name="units"),
        CheckConstraint("(height IS NULL) = (state IN ('seen', 'orphaned'))", name="block"),
        CheckConstraint("mined_at IS NULL OR height IS NOT NULL", name="mined_at"),
        CheckConstraint("(entry_id IS NOT NULL) = (state IN ('credited', 'quarantined', 'dust'))", name="booked"),
        CheckConstraint("state <> 'credited' OR client_id IS NOT NULL", name="credited"),
        CheckConstraint("NOT unbacked OR entry_id IS NOT NULL", name="unbacked"),
        Index("ix_deposits_client_id_id", "client_id", "id"),
        Index("ix_deposits_address_id", "address_id", "id"),
        Index("ix_deposits_state_id", "state", "id"),
        Index("ix_deposits_vault_id", "vault_id", "height"),
        Index("ix_deposits_waiting", "chain", "height", postgresql_where=WAITING),
        Index("ix_deposits_unbacked", "chain", postgresql_where=UNBACKED),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    chain: Mapped[str]
    txid: Mapped[str]
    position: Mapped[int]
    vault_id: Mapped[str]
    client_id: Mapped[str | None]
    address_id: Mapped[int] = mapped_column(BigInteger)
    asset: Mapped[str]
    units: Mapped[int] = mapped_column(MoneyColumn)
    coinbase: Mapped[bool]
    state: Mapped[str]
    step: Mapped[int]
    occurrence: Mapped[int]
    required_depth: Mapped[int]
    height: Mapped[int | None]
    block_hash: Mapped[str | None]
    entry_id: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str | None]
    unbacked: Mapped[bool]
    first_seen_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    booked_at: Mapped[datetime | None]
    mined_at: Mapped[datetime | None]
    """When its block was made, as the header says."""


class DepositTransitionRow(Base):
    """One move of one deposit."""

    __tablename__ = "deposit_transitions"

    subject: Mapped[str] = mapped_column(
        ForeignKey("deposits.id", deferrable=True, initially="DEFERRED"), primary_key=True
    )
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    from_state: Mapped[str]
    to_state: Mapped[str]
    event: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class DepositProgressRow(Base):
    """The newest movement change taken up; its row is the lock that lets one unit at a time advance a chain."""

    __tablename__ = "deposit_progress"

    chain: Mapped[str] = mapped_column(primary_key=True)
    change_id: Mapped[int] = mapped_column(BigInteger)


class SuspendedAssetRow(Base):
    """An asset that told something else than arrived: nothing of it is credited or paid until an operator lifts it."""

    __tablename__ = "suspended_assets"

    asset: Mapped[str] = mapped_column(primary_key=True)
    chain: Mapped[str]
    reason: Mapped[str]
    since: Mapped[datetime]
