"""Jobs; what an intent asks for beside its decision; and orders in which long lists are read a page at a time."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import append_only, grant

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """An id sorts by time, so a list by id needs no other order; a page begins after the last id that was shown."""
    op.execute(
        """
        ALTER TABLE intents ADD COLUMN obligations jsonb
          GENERATED ALWAYS AS (decision - '{trace,usage,facts,rules,would_change}'::text[]) STORED;
        DROP INDEX ix_intents_pending;
        CREATE INDEX ix_intents_pending ON intents (not_after, digest) WHERE state = 'pending';

        DROP INDEX ix_withdrawals_client_id_requested_at;
        CREATE INDEX ix_withdrawals_client_id_id ON withdrawals (client_id, id);
        CREATE INDEX ix_withdrawals_state_id ON withdrawals (state, id);
        DROP INDEX ix_deposits_client_id;
        CREATE INDEX ix_deposits_client_id_id ON deposits (client_id, id);
        DROP INDEX ix_addresses_client_id;
        CREATE INDEX ix_addresses_client_id_id ON addresses (client_id, id);

        CREATE TABLE jobs (
          id text CONSTRAINT pk_jobs PRIMARY KEY,
          kind text NOT NULL,
          requester text NOT NULL,
          idempotency_key text NOT NULL,
          asked jsonb NOT NULL,
          client_id text NOT NULL CONSTRAINT fk_jobs_client_id REFERENCES clients,
          wanted integer NOT NULL,
          done integer NOT NULL DEFAULT 0,
          state text NOT NULL,
          waiting_for text,
          created_at timestamptz NOT NULL,
          ended_at timestamptz,
          CONSTRAINT uq_jobs_requester_idempotency_key UNIQUE (requester, idempotency_key),
          CONSTRAINT ck_jobs_state CHECK (state IN ('running', 'completed', 'failed')),
          CONSTRAINT ck_jobs_done CHECK (done BETWEEN 0 AND wanted)
        );
        CREATE TABLE job_results (
          job_id text NOT NULL CONSTRAINT fk_job_results_job_id REFERENCES jobs,
          position integer NOT NULL,
          address_id bigint NOT NULL CONSTRAINT fk_job_results_address_id REFERENCES addresses,
          CONSTRAINT pk_job_results PRIMARY KEY (job_id, position)
        );
        """
    )
    grant("jobs", "SELECT, INSERT, UPDATE")
    append_only("job_results")
