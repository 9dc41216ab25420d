"""The console's door: sign-ins that end when nothing is done by them, invitations, and why somebody said no."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import append_only, grant

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Whoever is signed in with a token is signed out: from now on it takes a passkey."""
    op.execute(
        """
        ALTER TABLE console_sign_ins ADD COLUMN seen_at timestamptz;
        UPDATE console_sign_ins SET seen_at = opened_at, closed_at = COALESCE(closed_at, opened_at);
        ALTER TABLE console_sign_ins ALTER COLUMN seen_at SET NOT NULL;

        CREATE TABLE console_invitations (
          token_hash text CONSTRAINT pk_console_invitations PRIMARY KEY,
          operator text NOT NULL,
          created_at timestamptz NOT NULL,
          expires_at timestamptz NOT NULL,
          used_at timestamptz
        );

        CREATE TABLE rejection_reasons (
          challenge text CONSTRAINT pk_rejection_reasons PRIMARY KEY,
          digest text NOT NULL CONSTRAINT fk_rejection_reasons_digest_intents REFERENCES intents (digest),
          approver text NOT NULL,
          reason text NOT NULL,
          said_at timestamptz NOT NULL
        );
        CREATE INDEX ix_rejection_reasons_digest ON rejection_reasons (digest);
        """
    )
    grant("console_sign_ins", "UPDATE (seen_at)")
    grant("console_invitations", "SELECT, INSERT, UPDATE (expires_at, used_at)")
    append_only("rejection_reasons")
