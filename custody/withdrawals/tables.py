"""Withdrawals and the steps they took."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db.base import Base, MoneyColumn

OPEN: Final = text("state NOT IN ('completed', 'denied', 'rejected', 'expired', 'cancelled', 'failed')")
"""A partial index serves only a query whose words the planner can see: never parameters."""


class WithdrawalRow(Base):
    """One withdrawal. What was asked is in its intent; this row is where it stands."""

    __tablename__ = "withdrawals"
    __table_args__ = (
        UniqueConstraint("digest"),
        CheckConstraint("units > 0 AND max_fee_units > 0", name="units"),
        CheckConstraint("kind IN ('withdrawal', 'sweep')", name="kind"),
        CheckConstraint(
            "state IN ('requested', 'pending_approval', 'approved', 'awaiting_signatures', 'signed', 'broadcast', "
            "'confirmed', 'cancelling', 'completed', 'denied', 'rejected', 'expired', 'cancelled', 'failed')",
            name="state",
        ),
        Index("uq_withdrawals_respend", "respend", unique=True, postgresql_where=text("respend IS NOT NULL")),
        Index(
            "uq_withdrawals_reference",
            "reference",
            "client_id",
            unique=True,
            postgresql_where=text("reference IS NOT NULL"),
        ),
        Index("ix_withdrawals_client_id_id", "client_id", "id"),
        Index("ix_withdrawals_state_id", "state", "id"),
        Index(
            "ix_withdrawals_open",
            "chain",
            "state",
            "state_since",
            postgresql_where=OPEN,
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("intents.digest"))
    kind: Mapped[str] = mapped_column(server_default="withdrawal")
    """Of its intent: ``withdrawal``, or ``sweep``, which goes the same road to another vault of the same client."""
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id"))
    vault_id: Mapped[str] = mapped_column(ForeignKey("vaults.id"))
    chain: Mapped[str]
    asset: Mapped[str]
    units: Mapped[int] = mapped_column(MoneyColumn)
    max_fee_units: Mapped[int] = mapped_column(MoneyColumn)
    destination: Mapped[str]
    locator: Mapped[bytes]
    hold_id: Mapped[str | None]
    state: Mapped[str]
    waiting_for: Mapped[str | None]
    facts: Mapped[dict[str, Any]]
    requested_at: Mapped[datetime]
    state_since: Mapped[datetime]
    fee_units: Mapped[int | None] = mapped_column(MoneyColumn)
    txid: Mapped[str | None]
    respend: Mapped[str | None] = mapped_column(ForeignKey("intents.digest"))
    reference: Mapped[str | None]
    """What the client's books call it. Nobody signed it; a trigger keeps it as it was written."""


class TransitionRow(Base):
    """One step of one withdrawal; unique per subject and step, so two racers cannot both win."""

    __tablename__ = "withdrawal_transitions"

    subject: Mapped[str] = mapped_column(ForeignKey("withdrawals.id"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    from_state: Mapped[str]
    to_state: Mapped[str]
    event: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]
