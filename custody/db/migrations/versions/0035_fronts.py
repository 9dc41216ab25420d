"""Of an object only its front may leave, so that nothing reads it whole; one job at a time sends again what failed."""

from __future__ import annotations

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What waits is marked anew. Of jobs that run beside each other at one endpoint the newest goes on."""
    op.execute(
        """
        DROP INDEX ix_webhook_deliveries_order;
        DROP INDEX ix_webhook_deliveries_held;
        CREATE INDEX ix_webhook_deliveries_order ON webhook_deliveries (endpoint_id, kind, subject, repeat, sequence)
          WHERE state = 'waiting';
        UPDATE webhook_deliveries SET held = line.is_held FROM (
          SELECT id, first_failed_at IS NULL AND (place > 20 OR coalesce(is_behind, false)) AS is_held FROM (
            SELECT id, first_failed_at, row_number() OVER line AS place, bool_or(first_failed_at IS NOT NULL) OVER (
              line ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS is_behind
            FROM webhook_deliveries WHERE state = 'waiting' AND NOT repeat
            WINDOW line AS (PARTITION BY endpoint_id, kind, subject ORDER BY sequence)) each) line
          WHERE webhook_deliveries.id = line.id AND webhook_deliveries.held <> line.is_held;

        UPDATE jobs SET state = 'failed', ended_at = now(), waiting_for = 'a newer job sends the same again'
          WHERE kind = 'resend' AND state = 'running' AND EXISTS (
            SELECT FROM jobs newer WHERE newer.kind = 'resend' AND newer.state = 'running'
              AND newer.endpoint_id = jobs.endpoint_id AND newer.id > jobs.id);
        CREATE UNIQUE INDEX ix_jobs_endpoint_id_running ON jobs (endpoint_id)
          WHERE endpoint_id IS NOT NULL AND state = 'running';
        """
    )
