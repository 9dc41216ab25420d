"""A client's own reference of a withdrawal: once for each client, for ever."""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Withdrawals from before have none. It is found by itself, so it stands first in its index."""
    op.execute(
        """
        ALTER TABLE withdrawals ADD COLUMN reference text;
        CREATE UNIQUE INDEX uq_withdrawals_reference ON withdrawals (reference, client_id) WHERE reference IS NOT NULL;
        CREATE TRIGGER reference_stays BEFORE UPDATE OF reference ON withdrawals FOR EACH ROW
          WHEN (OLD.reference IS DISTINCT FROM NEW.reference) EXECUTE FUNCTION refuse_change();
        """
    )
