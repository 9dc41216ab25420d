"""What an intent asks of people as one number: what waits is counted by it, and not by reading what each asks."""

from __future__ import annotations

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The table is written anew once, as for every column that the database computes."""
    op.execute(
        """
        ALTER TABLE intents ADD COLUMN asking bigint NOT NULL GENERATED ALWAYS AS
          (hashtextextended(coalesce((decision -> 'approvals')::text, '{}')
            || coalesce((decision -> 'roles')::text, '[]'), 0)) STORED;
        CREATE INDEX ix_intents_pending_created_at ON intents (created_at) WHERE state = 'pending';
        CREATE INDEX ix_intents_pending_asking ON intents (asking, requester) WHERE state = 'pending';
        """
    )
