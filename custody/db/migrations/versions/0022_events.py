"""Events: every change of an object, numbered in the order of commits."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import append_only

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One table that is only ever added to. What changed before it was there is not told: the objects say it."""
    op.execute(
        """
        CREATE TABLE events (
          sequence bigint CONSTRAINT pk_events PRIMARY KEY,
          id text NOT NULL CONSTRAINT uq_events_id UNIQUE,
          kind text NOT NULL,
          subject text NOT NULL,
          event text NOT NULL,
          version integer NOT NULL,
          client text,
          actor text NOT NULL,
          correlation_id text NOT NULL,
          at timestamptz NOT NULL,
          data jsonb NOT NULL,
          CONSTRAINT uq_events_kind_subject_version UNIQUE (kind, subject, version)
        );
        CREATE INDEX ix_events_client_sequence ON events (client, sequence);
        CREATE INDEX ix_events_at ON events (at);
        """
    )
    append_only("events")
