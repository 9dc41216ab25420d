"""The address row."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from custody.db import Base

STOCK: Final = text("state = 'stock'")
"""A partial index serves only a query whose words the planner can see: never parameters."""


class AddressRow(Base):
    """One address of a vault. ``seal`` proves that two derivations agreed on it.

    ``kept_for`` is the client it was made for; empty where the chain's addresses are nobody's until handed out.
    """

    __tablename__ = "addresses"
    __table_args__ = (
        UniqueConstraint("vault_id", "kept_for", "change", "index"),
        CheckConstraint("state IN ('stock', 'issued', 'burned', 'house')", name="state"),
        CheckConstraint("state <> 'issued' OR change OR client_id IS NOT NULL", name="owner"),
        CheckConstraint("kept_for = '' OR client_id IS NULL OR client_id = kept_for", name="kept_for"),
        Index("ix_addresses_address", "address"),
        Index("ix_addresses_stock", "vault_id", "kept_for", "change", "index", postgresql_where=STOCK),
        Index("ix_addresses_client_id_id", "client_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    vault_id: Mapped[str]
    kept_for: Mapped[str] = mapped_column(server_default=text("''"))
    change: Mapped[bool]
    index: Mapped[int]
    locator: Mapped[bytes] = mapped_column(unique=True)
    address: Mapped[str]
    state: Mapped[str]
    client_id: Mapped[str | None]
    seal: Mapped[bytes]
    derived_at: Mapped[datetime]
    issued_at: Mapped[datetime | None]
