"""Watching: what a scan needs where a node shows a part, and where a vault's rules can change."""

from __future__ import annotations

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
