"""Runs and breaks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db import Base, MoneyColumn


class RunRow(Base):
    """One comparison at one block, whole."""

    __tablename__ = "reconciliation_runs"
    __table_args__ = (
        CheckConstraint("kind IN ('scripts', 'ranged')", name="kind"),
        CheckConstraint("result IN ('balanced', 'break')", name="result"),
        Index("ix_reconciliation_runs_chain_finished_at", "chain", "finished_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    chain: Mapped[str]
    kind: Mapped[str]
    height: Mapped[int]
    hash: Mapped[str]
    result: Mapped[str]
    totals: Mapped[dict[str, Any]]
    sums: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    """The same, an asset a line: what a chart reads."""
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]


class BreakRow(Base):
    """One difference nobody could explain, open from the run that found it until it is resolved."""

    __tablename__ = "breaks"
    __table_args__ = (Index("ix_breaks_vault_id", "vault_id", "asset", "check_name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("reconciliation_runs.id"))
    vault_id: Mapped[str] = mapped_column(ForeignKey("vaults.id"))
    asset: Mapped[str]
    check_name: Mapped[str]
    expected: Mapped[int] = mapped_column(MoneyColumn)
    found: Mapped[int] = mapped_column(MoneyColumn)
    detail: Mapped[str]
    opened_at: Mapped[datetime]


class ResolutionRow(Base):
    """How a break was resolved, by which intent. A break is resolved once: one that comes back is another."""

    __tablename__ = "break_resolutions"
    __table_args__ = (
        UniqueConstraint("digest"),
        CheckConstraint("resolution IN ('explained', 'corrected')", name="resolution"),
    )

    break_id: Mapped[str] = mapped_column(ForeignKey("breaks.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("intents.digest"))
    resolution: Mapped[str]
    reason: Mapped[str]
    resolved_at: Mapped[datetime]
