"""What a limit of the policy counts is found by when it stops to count, however long the history is."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One index per key a limit is counted under; one without a key serves all the wider ones."""
    until = "(CASE state WHEN 'completed' THEN state_since ELSE timestamptz 'infinity' END)"
    counted = "WHERE state NOT IN ('denied', 'rejected', 'expired', 'cancelled', 'failed')"
    for name, columns in (
        ("ix_withdrawals_counted", until),
        ("ix_withdrawals_counted_client", f"client_id, {until}"),
        ("ix_withdrawals_counted_destination", f"destination, {until}"),
    ):
        op.execute(f"CREATE INDEX {name} ON withdrawals ({columns}) {counted}")
