"""Webhooks: endpoints, deliveries and attempts."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import grant

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Endpoints are kept for ever, also removed ones; what was delivered may be deleted once it is old."""
    op.execute(
        """
        CREATE TABLE webhook_endpoints (
          id text CONSTRAINT pk_webhook_endpoints PRIMARY KEY,
          url text NOT NULL,
          client text,
          types jsonb NOT NULL,
          payload text NOT NULL,
          label text NOT NULL,
          state text NOT NULL,
          reason text,
          secret bytea NOT NULL,
          old_secret bytea,
          old_until timestamptz,
          position bigint NOT NULL,
          failing_since timestamptz,
          last_success_at timestamptz,
          created_at timestamptz NOT NULL,
          created_by text NOT NULL,
          CONSTRAINT ck_webhook_endpoints_state CHECK (state IN ('active', 'disabled', 'removed')),
          CONSTRAINT ck_webhook_endpoints_payload CHECK (payload IN ('full', 'thin')),
          CONSTRAINT ck_webhook_endpoints_old_secret CHECK ((old_secret IS NULL) = (old_until IS NULL))
        );

        CREATE TABLE webhook_deliveries (
          id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_webhook_deliveries PRIMARY KEY,
          endpoint_id text NOT NULL CONSTRAINT fk_webhook_deliveries_endpoint_id REFERENCES webhook_endpoints,
          sequence bigint NOT NULL CONSTRAINT fk_webhook_deliveries_sequence REFERENCES events,
          event_id text NOT NULL,
          kind text NOT NULL,
          type text NOT NULL,
          subject text NOT NULL,
          state text NOT NULL,
          repeat boolean NOT NULL,
          attempts integer NOT NULL,
          due_at timestamptz NOT NULL,
          leased_until timestamptz,
          first_failed_at timestamptz,
          delivered_at timestamptz,
          created_at timestamptz NOT NULL,
          CONSTRAINT uq_webhook_deliveries_endpoint_id_sequence UNIQUE (endpoint_id, sequence),
          CONSTRAINT ck_webhook_deliveries_state CHECK (state IN ('waiting', 'delivered'))
        );
        CREATE INDEX ix_webhook_deliveries_order ON webhook_deliveries (endpoint_id, kind, subject, sequence)
          WHERE state = 'waiting';
        CREATE INDEX ix_webhook_deliveries_due ON webhook_deliveries (endpoint_id, sequence, due_at)
          WHERE state = 'waiting';

        CREATE TABLE webhook_attempts (
          delivery_id bigint CONSTRAINT fk_webhook_attempts_delivery_id REFERENCES webhook_deliveries,
          number integer,
          at timestamptz NOT NULL,
          status integer,
          latency_ms integer NOT NULL,
          problem text,
          answer text NOT NULL,
          CONSTRAINT pk_webhook_attempts PRIMARY KEY (delivery_id, number)
        );
        """
    )
    grant("webhook_endpoints", "SELECT, INSERT, UPDATE")
    grant("webhook_deliveries", "SELECT, INSERT, UPDATE, DELETE")
    grant("webhook_attempts", "SELECT, INSERT, DELETE")
