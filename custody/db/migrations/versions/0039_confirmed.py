"""A mail address counts once whoever reads its mail has said so; a channel's address is sealed, mail's as well.

A mail channel of before has no secret and is off until its operator chooses it again: nobody ever said that the mail
arrived.
"""

from __future__ import annotations

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A webhook proves itself by verifying what it is sent: it has nothing to say first."""
    op.execute(
        """
        ALTER TABLE notice_channels ADD COLUMN confirmed_at timestamptz;
        UPDATE notice_channels SET confirmed_at = changed_at WHERE kind = 'webhook';
        UPDATE notice_channels SET is_on = false WHERE kind = 'mail';
        ALTER TABLE notice_channels DROP CONSTRAINT ck_notice_channels_secret,
          ADD CONSTRAINT ck_notice_channels_secret CHECK (secret IS NOT NULL OR confirmed_at IS NULL);
        ALTER TABLE notice_messages ADD COLUMN says text NOT NULL DEFAULT 'waiting'
          CONSTRAINT ck_notice_messages_says CHECK (says IN ('waiting', 'code'));
        """
    )
