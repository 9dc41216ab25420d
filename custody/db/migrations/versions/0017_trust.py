"""Trust root versions after the first, proposals of them, and status statements."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import append_only, grant

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A later version carries what proves it; of each status service the newest statement is kept."""
    op.execute(
        """
        ALTER TABLE trust_roots ADD COLUMN proven jsonb;
        ALTER TABLE trust_roots ADD CONSTRAINT ck_trust_roots_proven CHECK ((version = 1) = (proven IS NULL));

        CREATE TABLE proposals (
          digest text CONSTRAINT pk_proposals PRIMARY KEY CONSTRAINT fk_proposals_digest REFERENCES intents,
          version integer NOT NULL,
          document jsonb NOT NULL,
          created_at timestamptz NOT NULL
        );
        CREATE INDEX ix_proposals_version ON proposals (version);

        CREATE TABLE status_statements (
          service text CONSTRAINT pk_status_statements PRIMARY KEY,
          number bigint NOT NULL,
          document jsonb NOT NULL,
          said_at timestamptz NOT NULL,
          received_at timestamptz NOT NULL
        );

        CREATE INDEX ix_intents_taken_back ON intents (not_after) WHERE state IN ('rejected', 'withdrawn');
        CREATE INDEX ix_intents_not_before ON intents (not_before);

        ALTER TABLE bundles ADD COLUMN root_version integer NOT NULL DEFAULT 1;
        ALTER TABLE bundles ALTER COLUMN root_version DROP DEFAULT;
        """
    )
    append_only("proposals")
    grant("status_statements", "SELECT, INSERT, UPDATE")
