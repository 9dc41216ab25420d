"""The ledger's rows, as the migration made them. Only this room reads them; only ``ledger_*`` functions write money."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base, MoneyColumn


class LedgerReasonRow(Base):
    """What a reason permits: the copy of ``reasons.RULES`` that the database enforces."""

    __tablename__ = "ledger_reasons"

    reason: Mapped[str] = mapped_column(Text, primary_key=True)
    falls: Mapped[list[str]] = mapped_column(ARRAY(Text))
    rises: Mapped[list[str]] = mapped_column(ARRAY(Text))
    one_client: Mapped[bool] = mapped_column(Boolean)
    authority: Mapped[bool] = mapped_column(Boolean)


class LedgerAccountRow(Base):
    """One account: its balance is the sum of its postings, its version their number."""

    __tablename__ = "ledger_accounts"
    __table_args__ = (UniqueConstraint("owner", "asset", "kind", "pledge", name="uq_ledger_accounts_name"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    pledge: Mapped[str] = mapped_column(Text, server_default="")
    asset: Mapped[str] = mapped_column(Text)
    balance: Mapped[int] = mapped_column(MoneyColumn, server_default=text("0"))
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    sign: Mapped[int] = mapped_column(
        SmallInteger,
        Computed("CASE WHEN kind IN ('receivable', 'onchain', 'network_fees') THEN -1 ELSE 1 END", persisted=True),
        nullable=False,
    )


class JournalEntryRow(Base):
    """One immutable fact; its lines are its postings, as many as ``legs`` says."""

    __tablename__ = "journal_entries"
    __table_args__ = (
        UniqueConstraint("key", name="uq_journal_entries_key"),
        Index("uq_journal_entries_reverses", "reverses", unique=True, postgresql_where=text("reverses IS NOT NULL")),
        Index("ix_journal_entries_subject", "subject"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    key: Mapped[str] = mapped_column(Text)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    authorised_by: Mapped[dict[str, Any]]
    legs: Mapped[int] = mapped_column(Integer)
    posted_at: Mapped[datetime]
    batched: Mapped[bool] = mapped_column(server_default=text("false"))
    reverses: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("journal_entries.id"))


class JournalBatchRow(Base):
    """Which entries one call of ``ledger_post`` wrote: they are checked together at commit."""

    __tablename__ = "journal_batches"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    entries: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))


class PostingRow(Base):
    """One line: what an entry did to one account, with the balance before and after."""

    __tablename__ = "postings"
    __table_args__ = (UniqueConstraint("account_id", "version", name="uq_postings_account_id_version"),)

    entry_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    leg: Mapped[int] = mapped_column(Integer, primary_key=True)
    account_id: Mapped[int] = mapped_column(BigInteger)
    sign: Mapped[int] = mapped_column(SmallInteger)
    units: Mapped[int] = mapped_column(MoneyColumn)
    previous_balance: Mapped[int] = mapped_column(MoneyColumn)
    new_balance: Mapped[int] = mapped_column(MoneyColumn)
    version: Mapped[int] = mapped_column(BigInteger)


class HoldRow(Base):
    """Client money set aside for one subject."""

    __tablename__ = "holds"
    __table_args__ = (
        UniqueConstraint("subject", "asset", name="uq_holds_subject_asset"),
        CheckConstraint("units > 0 AND units <= ceiling", name="units"),
        Index("ix_holds_pending", "client", "asset", postgresql_where=text("state = 'pending'")),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    client: Mapped[str] = mapped_column(Text)
    asset: Mapped[str] = mapped_column(Text)
    units: Mapped[int] = mapped_column(MoneyColumn)
    ceiling: Mapped[int] = mapped_column(MoneyColumn)
    subject: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    settlements: Mapped[int] = mapped_column(Integer)
    settled_units: Mapped[int | None] = mapped_column(MoneyColumn)
    vault: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
