"""Passkeys are asked about requests as well as about verdicts."""

from __future__ import annotations

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A question about a request is of a purpose of its own, so that no answer to one is an answer to another."""
    op.execute(
        """
        ALTER TABLE challenges DROP CONSTRAINT ck_challenges_purpose;
        ALTER TABLE challenges ADD CONSTRAINT ck_challenges_purpose
          CHECK (purpose IN ('approval', 'enrolment', 'request', 'sign_in', 'invitation', 'step_up'));
        CREATE INDEX ix_intents_created_at ON intents (created_at);
        """
    )
