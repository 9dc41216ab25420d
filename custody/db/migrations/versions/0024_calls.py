"""Nonces of signed calls, for as long as such a call would be taken."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import grant

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One table. What came before it was not signed."""
    op.execute(
        """
        CREATE TABLE call_nonces (
          key text NOT NULL,
          nonce text NOT NULL,
          forgotten_at timestamptz NOT NULL,
          CONSTRAINT pk_call_nonces PRIMARY KEY (key, nonce)
        );
        CREATE INDEX ix_call_nonces_forgotten_at ON call_nonces (forgotten_at);
        """
    )
    # FOR UPDATE of what is forgotten asks for the right to change it.
    grant("call_nonces", "SELECT, INSERT, UPDATE (forgotten_at), DELETE")
