"""Foundations: outbox, audit log, alarms."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import append_only, grant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Outbox rows (become tasks), the hash-chained audit log, alarms (each raised once)."""
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege'; END $$;

        CREATE TABLE outbox (
          id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_outbox PRIMARY KEY,
          topic text NOT NULL,
          payload jsonb NOT NULL,
          correlation_id text NOT NULL,
          created_at timestamptz NOT NULL,
          due_at timestamptz NOT NULL,
          leased_until timestamptz,
          attempts integer NOT NULL DEFAULT 0,
          done_at timestamptz,
          failed text
        );
        CREATE INDEX ix_outbox_waiting ON outbox (due_at) WHERE done_at IS NULL;

        CREATE TABLE audit_events (
          sequence bigint CONSTRAINT pk_audit_events PRIMARY KEY,
          at timestamptz NOT NULL,
          actor text NOT NULL,
          event text NOT NULL,
          subject text NOT NULL,
          facts jsonb NOT NULL,
          correlation_id text NOT NULL,
          previous_hash text NOT NULL,
          hash text NOT NULL
        );
        CREATE INDEX ix_audit_events_subject ON audit_events (subject);

        CREATE TABLE alarms (
          id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_alarms PRIMARY KEY,
          kind text NOT NULL,
          subject text NOT NULL,
          step text NOT NULL,
          raised_at timestamptz NOT NULL,
          why text NOT NULL,
          CONSTRAINT uq_alarms_kind_subject_step UNIQUE (kind, subject, step)
        );
        """
    )
    grant("outbox", "SELECT, INSERT, UPDATE, DELETE")
    append_only("audit_events")
    append_only("alarms")
