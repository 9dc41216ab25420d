"""Returns, each of one stray."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db import Base, MoneyColumn

MAY_BE_SIGNED = text("state IN ('awaiting_signatures', 'signed', 'returned', 'failed')")


class ReturnRow(Base):
    """A stray that is to be sent on; from ``number`` on what was composed for it."""

    __tablename__ = "returns"
    __table_args__ = (
        CheckConstraint(
            "state IN ('asked', 'awaiting_signatures', 'signed', 'returned', 'failed', 'refused')", name="state"
        ),
        CheckConstraint("(state = 'asked') = (spend IS NULL)", name="composed"),
        CheckConstraint("units > 0", name="units"),
        Index("uq_returns_stray", "chain", "txid", "position", unique=True, postgresql_where=MAY_BE_SIGNED),
        Index("uq_returns_turn", "chain", "locator", "number", unique=True, postgresql_where=MAY_BE_SIGNED),
        Index("ix_returns_chain_state", "chain", "state"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("intents.digest"), unique=True)
    chain: Mapped[str]
    txid: Mapped[str]
    position: Mapped[int]
    vault_id: Mapped[str] = mapped_column(ForeignKey("vaults.id"))
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id"))
    address_index: Mapped[int]
    locator: Mapped[bytes]
    asset: Mapped[str]
    units: Mapped[int] = mapped_column(MoneyColumn)
    state: Mapped[str]
    number: Mapped[int | None]
    unsigned: Mapped[str | None]
    spend: Mapped[str | None]
    final: Mapped[bytes | None]
    ended_height: Mapped[int | None]
    asked_at: Mapped[datetime]
    state_since: Mapped[datetime]
