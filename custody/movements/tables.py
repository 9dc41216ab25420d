"""Blocks, scan progress, coins and movements."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Identity, Index, Sequence, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db import Base, MoneyColumn

IN_PART: Final = text("NOT complete")
LIVE: Final = text("removed_at IS NULL")
CHANGES = Sequence("movement_changes", metadata=Base.metadata)


class BlockRow(Base):
    """One block of the best chain as it was when we read it. ``complete``: the node showed all that moved in it.

    ``mined_at`` is the header's, which miners choose; unknown of blocks that were read before it was kept.
    """

    __tablename__ = "blocks"
    __table_args__ = (Index("ix_blocks_in_part", "chain", "height", postgresql_where=IN_PART),)

    chain: Mapped[str] = mapped_column(primary_key=True)
    height: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[str]
    parent: Mapped[str | None]
    scanned_at: Mapped[datetime]
    mined_at: Mapped[datetime | None]
    complete: Mapped[bool] = mapped_column(server_default=text("true"))


class ProgressRow(Base):
    """The newest block read; compared and set by whoever moves it. ``finalized``: up to where none can be undone."""

    __tablename__ = "scan_progress"

    chain: Mapped[str] = mapped_column(primary_key=True)
    height: Mapped[int]
    hash: Mapped[str]
    updated_at: Mapped[datetime]
    finalized: Mapped[int | None]


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

    ``since`` is the block after which it happened, up to its own, where balances were compared and no block told it.
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
        Index(
            "ix_movements_compared",
            *("chain", "address_id"),
            postgresql_where=text("since IS NOT NULL AND removed_at IS NULL"),
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
    since: Mapped[str | None]


class ComparisonRow(Base):
    """Balances at this block were compared with all that was recorded up to it; before, at the block ``since``.

    ``silent``: assets that did not answer. They are asked again until they do.
    """

    __tablename__ = "comparisons"

    chain: Mapped[str] = mapped_column(primary_key=True)
    height: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[str]
    since: Mapped[str]
    silent: Mapped[list[str]] = mapped_column(ARRAY(Text))
    compared_at: Mapped[datetime]


class DoubtRow(Base):
    """Something else arrived than was told. Whether that is to be expected of the asset, others judge."""

    __tablename__ = "doubts"
    __table_args__ = (
        UniqueConstraint("chain", "block_hash", "locator", "asset", name="uq_doubts_same"),
        Index("ix_doubts_unjudged", "chain", postgresql_where=text("judged_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    chain: Mapped[str]
    asset: Mapped[str]
    block_hash: Mapped[str]
    locator: Mapped[bytes]
    told: Mapped[int] = mapped_column(MoneyColumn)
    arrived: Mapped[int] = mapped_column(MoneyColumn)
    found_at: Mapped[datetime]
    judged_at: Mapped[datetime | None]


class StrayRow(Base):
    """Something arrived at an address of ours on another chain than its vault's. Never credited."""

    __tablename__ = "strays"
    __table_args__ = (
        CheckConstraint("units >= 0", name="units"),
        Index("uq_strays_live", "chain", "txid", "position", unique=True, postgresql_where=LIVE),
        Index("ix_strays_height", "chain", "height", postgresql_where=LIVE),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    chain: Mapped[str]
    txid: Mapped[str]
    position: Mapped[int]
    address_id: Mapped[int] = mapped_column(BigInteger)
    vault_id: Mapped[str]
    client_id: Mapped[str | None]
    locator: Mapped[bytes]
    asset: Mapped[str]
    units: Mapped[int] = mapped_column(MoneyColumn)
    height: Mapped[int]
    block_hash: Mapped[str]
    seen_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
