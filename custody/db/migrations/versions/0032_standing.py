"""Verdicts that still stand, intents with a delay, vaults and deposits as they are listed: each read from one end of an
index.
"""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A queue gathers what stands, however many verdicts there ever were."""
    op.execute(
        """
        CREATE INDEX ix_approvals_not_after ON approvals (not_after);
        CREATE INDEX ix_deposits_state_id ON deposits (state, id);
        CREATE INDEX ix_vaults_opened_at_id ON vaults (opened_at, id);
        CREATE INDEX ix_intents_with_delay ON intents (not_before) WHERE not_before > created_at;
        """
    )
