"""Resending what failed as a job; tests of an endpoint; and deliveries that wait behind a failed one say so."""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A claim reads what may leave and nothing else, whatever waits at an endpoint that takes nothing."""
    op.execute(
        """
        ALTER TABLE jobs ALTER COLUMN client_id DROP NOT NULL;
        ALTER TABLE jobs ADD COLUMN endpoint_id text CONSTRAINT fk_jobs_endpoint_id REFERENCES webhook_endpoints;
        ALTER TABLE jobs ADD COLUMN place bigint;
        ALTER TABLE jobs ADD CONSTRAINT ck_jobs_kind CHECK (
          CASE kind WHEN 'addresses' THEN client_id IS NOT NULL WHEN 'resend' THEN endpoint_id IS NOT NULL END);
        CREATE INDEX ix_jobs_endpoint_id_id ON jobs (endpoint_id, id) WHERE endpoint_id IS NOT NULL;

        ALTER TABLE webhook_deliveries ADD COLUMN held boolean NOT NULL DEFAULT false;
        ALTER TABLE webhook_deliveries DROP CONSTRAINT ck_webhook_deliveries_state;
        ALTER TABLE webhook_deliveries ADD CONSTRAINT ck_webhook_deliveries_state
          CHECK (state IN ('waiting', 'delivered', 'failed'));
        UPDATE webhook_deliveries d SET held = true FROM webhook_deliveries earlier
          WHERE d.state = 'waiting' AND NOT d.repeat AND earlier.state = 'waiting' AND NOT earlier.repeat
            AND earlier.first_failed_at IS NOT NULL AND earlier.sequence < d.sequence
            AND (earlier.endpoint_id, earlier.kind, earlier.subject) = (d.endpoint_id, d.kind, d.subject);

        DROP INDEX ix_webhook_deliveries_due;
        CREATE INDEX ix_webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_at, sequence)
          WHERE state = 'waiting' AND NOT held;
        CREATE INDEX ix_webhook_deliveries_held ON webhook_deliveries (endpoint_id, kind, subject)
          WHERE state = 'waiting' AND held;
        CREATE INDEX ix_webhook_deliveries_leased ON webhook_deliveries (endpoint_id, leased_until)
          WHERE state = 'waiting' AND leased_until IS NOT NULL;
        """
    )
