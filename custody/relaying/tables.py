"""Payers, carriages with their variants and shares, loads, and what of the payer's movements is in the books."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db import Base, MoneyColumn


class PayerRow(Base):
    """One account of the house that pays fees; who locks it gives its next number."""

    __tablename__ = "payers"
    __table_args__ = (
        CheckConstraint("next_number >= 0", name="next_number"),
        CheckConstraint("(stopped_at IS NULL) = (stopped_reason IS NULL)", name="stopped"),
    )

    chain: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(primary_key=True)
    vault_id: Mapped[str] = mapped_column(ForeignKey("vaults.id"))
    next_number: Mapped[int] = mapped_column(BigInteger)
    change_id: Mapped[int] = mapped_column(BigInteger)
    low_since: Mapped[datetime | None]
    stopped_reason: Mapped[str | None]
    stopped_at: Mapped[datetime | None]
    registered_at: Mapped[datetime]


class CarriageRow(Base):
    """One number of a payer, for ever; ``txid``, ``height`` and ``fee_units`` are of the variant that landed."""

    __tablename__ = "carriages"
    __table_args__ = (
        ForeignKeyConstraint(["chain", "account"], ["payers.chain", "payers.account"], name="fk_carriages_payer"),
        UniqueConstraint("chain", "account", "number"),
        CheckConstraint("state IN ('built', 'sent', 'mined', 'confirmed')", name="state"),
        CheckConstraint(
            "(state IN ('mined', 'confirmed')) = (height IS NOT NULL)"
            " AND (height IS NULL) = (txid IS NULL) AND (height IS NULL) = (fee_units IS NULL)",
            name="mined",
        ),
        Index("ix_carriages_open", "chain", "account", "number", postgresql_where=text("state <> 'confirmed'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    chain: Mapped[str]
    account: Mapped[str]
    number: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str]
    step: Mapped[int]
    occurrence: Mapped[int]
    txid: Mapped[str | None]
    height: Mapped[int | None]
    fee_units: Mapped[int | None] = mapped_column(MoneyColumn)
    raise_asked: Mapped[bool] = mapped_column(server_default=text("false"))
    waiting_for: Mapped[str | None]
    built_at: Mapped[datetime]
    state_since: Mapped[datetime]


class CarriageTransitionRow(Base):
    """One move of a carriage's state."""

    __tablename__ = "carriage_transitions"

    subject: Mapped[str] = mapped_column(
        ForeignKey("carriages.id", deferrable=True, initially="DEFERRED"), primary_key=True
    )
    step: Mapped[int] = mapped_column(primary_key=True)
    from_state: Mapped[str]
    to_state: Mapped[str]
    event: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class VariantRow(Base):
    """One signed transaction of a carriage's number, stored before it is sent."""

    __tablename__ = "carriage_variants"
    __table_args__ = (UniqueConstraint("txid"),)

    carriage_id: Mapped[str] = mapped_column(ForeignKey("carriages.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    txid: Mapped[str]
    raw: Mapped[bytes]
    weight_limit: Mapped[int] = mapped_column(BigInteger)
    rate: Mapped[int] = mapped_column(MoneyColumn)
    tip: Mapped[int] = mapped_column(MoneyColumn)
    spends: Mapped[list[Any]]
    built_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    outcome: Mapped[str | None]


class LoadRow(Base):
    """One signed spend that is to be carried."""

    __tablename__ = "loads"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'riding', 'ended', 'stuck')", name="state"),
        CheckConstraint("state <> 'riding' OR carriage_id IS NOT NULL", name="riding"),
        Index("ix_loads_waiting", "chain", "offered_at", postgresql_where=text("state = 'waiting'")),
        Index("ix_loads_claim", "chain", "claim"),
        Index("ix_loads_carriage_id", "carriage_id"),
    )

    chain: Mapped[str] = mapped_column(primary_key=True)
    spend: Mapped[str] = mapped_column(primary_key=True)
    claim: Mapped[str]
    final: Mapped[bytes]
    client: Mapped[str | None]
    ceiling_units: Mapped[int] = mapped_column(MoneyColumn)
    state: Mapped[str]
    carriage_id: Mapped[str | None] = mapped_column(ForeignKey("carriages.id"))
    tries: Mapped[int]
    waiting_for: Mapped[str | None]
    offered_at: Mapped[datetime]
    state_since: Mapped[datetime]


class ShareRow(Base):
    """One spend's part of a carriage's fee: known once it is confirmed."""

    __tablename__ = "carriage_shares"
    __table_args__ = (
        CheckConstraint("weight > 0", name="weight"),
        CheckConstraint("billed_units >= 0 AND billed_units <= coalesce(fee_units, 0)", name="billed"),
        Index("ix_carriage_shares_spend", "spend"),
    )

    carriage_id: Mapped[str] = mapped_column(ForeignKey("carriages.id"), primary_key=True)
    spend: Mapped[str] = mapped_column(primary_key=True)
    weight: Mapped[int] = mapped_column(BigInteger)
    fee_units: Mapped[int | None] = mapped_column(MoneyColumn)
    billed_units: Mapped[int] = mapped_column(MoneyColumn, server_default=text("0"))


class BookingRow(Base):
    """One movement of the payer's own asset, and whether the ledger has it now."""

    __tablename__ = "payer_bookings"

    chain: Mapped[str] = mapped_column(primary_key=True)
    vault_id: Mapped[str]
    direction: Mapped[str] = mapped_column(primary_key=True)
    txid: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    units: Mapped[int] = mapped_column(MoneyColumn)
    occurrence: Mapped[int]
    booked: Mapped[bool]
    height: Mapped[int]
