"""Blocks, scan progress, coins and movements."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, Sequence, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db import Base, MoneyColumn

CHANGES = Sequence("movement_changes", metadata=Base.metadata)


class BlockRow(Base):
    """One block of the best chain as it was when we read it."""

    __tablename__ = "blocks"

    chain: Mapped[str] = mapped_column(primary_key=True)
    height: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[str]
    parent: Mapped[str | None]
    scanned_at: Mapped[datetime]


class ProgressRow(Base):
    """The newest block read; compared and set by whoever moves it."""

    __tablename__ = "scan_progress"

    chain: Mapped[str] = mapped_column(primary_key=True)
    height: Mapped[int]
    hash: Mapped[str]
    updated_at: Mapped[datetime]


class CoinRow(Base):
    """One coin of ours on the best chain, where the chain has coins.

    ``created_height`` is unknown where only its spending was seen.
    """

    __tablename__ = "coins"
    __table_args__ = (
        CheckConstraint("units >= 0", name="units"),
        CheckConstraint(
            "(spent_by IS NULL) = (spent_height IS NULL) AND (spent_by IS NULL) = (spent_hash IS NULL)", name="spent"
        ),
        Index("ix_coins_unspent", "vault_id", "created_height", postgresql_where=text("spent_by IS NULL")),
        Index("ix_coins_vault_id", "vault_id"),
        Index("ix_coins_created_height", "chain", "created_height"),
        Index("ix_coins_spent_height", "chain", "spent_height", postgresql_where=text("spent_by IS NOT NULL")),
    )

    chain: Mapped[str] = mapped_column(primary_key=True)
    txid: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    vault_id: Mapped[str]
    address_id: Mapped[int] = mapped_column(BigInteger)
    change: Mapped[bool]
    locator: Mapped[bytes]
    asset: Mapped[str]
    units: Mapped[int] = mapped_column(MoneyColumn)
    coinbase: Mapped[bool]
    created_height: Mapped[int | None]
    created_hash: Mapped[str | None]
    spent_by: Mapped[str | None]
    spent_height: Mapped[int | None]
    spent_hash: Mapped[str | None]


class OutcomeRow(Base):
    """How a signed spend of a place of ours ended, where that is not a transaction of its own. Removed as movements."""

    __tablename__ = "outcomes"
    __table_args__ = (
        Index(
            "uq_outcomes_live",
            *("chain", "locator", "spend"),
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
        ),
        Index("ix_outcomes_spend", "chain", "spend", postgresql_where=text("removed_at IS NULL")),
        Index("ix_outcomes_height", "chain", "height", postgresql_where=text("removed_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    chain: Mapped[str]
    spend: Mapped[str]
    txid: Mapped[str]
    locator: Mapped[bytes]
    succeeded: Mapped[bool]
    height: Mapped[int]
    block_hash: Mapped[str]
    seen_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class MovementRow(Base):
    """In: something arrived at a place of ours. Out: ``spent_by`` took it. A reorg marks it removed, once.

    ``change_id`` grows with every insert and removal of a chain, in commit order: a cursor over it misses nothing.
    """

    __tablename__ = "movements"
    __table_args__ = (
        CheckConstraint("direction IN ('in', 'out')", name="direction"),
        CheckConstraint("(direction = 'out') = (spent_by IS NOT NULL)", name="spent_by"),
        CheckConstraint("units >= 0", name="units"),
        Index(
            "uq_movements_live",
            *("chain", "direction", "txid", "position"),
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
        ),
        Index("ix_movements_height", "chain", "height", postgresql_where=text("removed_at IS NULL")),
        Index("ix_movements_vault_id", "vault_id", "height", postgresql_where=text("removed_at IS NULL")),
        Index("ix_movements_spent_by", "chain", "spent_by", postgresql_where=text("removed_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    change_id: Mapped[int] = mapped_column(BigInteger, CHANGES, server_default=CHANGES.next_value(), unique=True)
    chain: Mapped[str]
    direction: Mapped[str]
    vault_id: Mapped[str]
    address_id: Mapped[int] = mapped_column(BigInteger)
    change: Mapped[bool]
    own_spend: Mapped[bool]
    coinbase: Mapped[bool]
    txid: Mapped[str]
    position: Mapped[int]
    spent_by: Mapped[str | None]
    asset: Mapped[str]
    units: Mapped[int] = mapped_column(MoneyColumn)
    height: Mapped[int]
    block_hash: Mapped[str]
    seen_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
