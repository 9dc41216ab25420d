"""Relaying: who pays the fee of spends that somebody else carries, and the transactions that do."""

from __future__ import annotations

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
