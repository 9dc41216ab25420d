"""When a thing happened beside when it was written down; and webhooks of an endpoint as CloudEvents."""

from __future__ import annotations

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What was read before has no time of its block: nobody kept it. Endpoints stay as they are."""
    op.execute(
        """
        ALTER TABLE blocks ADD COLUMN mined_at timestamptz;
        ALTER TABLE deposits ADD COLUMN mined_at timestamptz
          CONSTRAINT ck_deposits_mined_at CHECK (mined_at IS NULL OR height IS NOT NULL);
        ALTER TABLE events ADD COLUMN occurred_at timestamptz;
        ALTER TABLE webhook_endpoints ADD COLUMN source text;
        """
    )
