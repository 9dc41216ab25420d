"""Sweeps from a keyset that is being left, and a client's vaults of several keysets, each by an opening of its own."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What was opened before was opened by its client's own opening; what was asked for before was a withdrawal."""
    op.execute("ALTER TABLE vault_members ADD COLUMN opening text")
    op.execute("UPDATE vault_members SET opening = clients.opening FROM clients WHERE clients.id = client_id")
    op.execute("ALTER TABLE vault_members ALTER COLUMN opening SET NOT NULL")
    op.execute(
        "ALTER TABLE withdrawals ADD COLUMN kind text NOT NULL DEFAULT 'withdrawal' "
        "CONSTRAINT ck_withdrawals_kind CHECK (kind IN ('withdrawal', 'sweep'))"
    )
