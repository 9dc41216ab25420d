"""Notices: by which ways operators are told, every message, and what each was about."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import grant

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What was told is kept: an intent is told once on each channel."""
    op.execute(
        """
        CREATE TABLE notice_channels (
          operator text NOT NULL,
          kind text NOT NULL,
          address text NOT NULL,
          secret bytea,
          is_on boolean NOT NULL,
          changed_at timestamptz NOT NULL,
          changed_by text NOT NULL,
          CONSTRAINT pk_notice_channels PRIMARY KEY (operator, kind),
          CONSTRAINT ck_notice_channels_kind CHECK (kind IN ('mail', 'webhook')),
          CONSTRAINT ck_notice_channels_secret CHECK ((kind = 'webhook') = (secret IS NOT NULL))
        );

        CREATE TABLE notice_messages (
          id text CONSTRAINT pk_notice_messages PRIMARY KEY,
          operator text NOT NULL,
          kind text NOT NULL,
          state text NOT NULL,
          intents integer NOT NULL,
          attempts integer NOT NULL,
          due_at timestamptz NOT NULL,
          leased_until timestamptz,
          problem text,
          created_at timestamptz NOT NULL,
          sent_at timestamptz,
          CONSTRAINT ck_notice_messages_kind CHECK (kind IN ('mail', 'webhook')),
          CONSTRAINT ck_notice_messages_state CHECK (state IN ('waiting', 'sent', 'dropped', 'failed'))
        );
        CREATE INDEX ix_notice_messages_due_at ON notice_messages (due_at) WHERE state = 'waiting';
        CREATE INDEX ix_notice_messages_operator_created_at ON notice_messages (operator, created_at);
        CREATE INDEX ix_notice_messages_created_at ON notice_messages (created_at);

        CREATE TABLE notices (
          operator text NOT NULL,
          kind text NOT NULL,
          digest text NOT NULL,
          stage text NOT NULL,
          message_id text NOT NULL CONSTRAINT fk_notices_message_id REFERENCES notice_messages,
          created_at timestamptz NOT NULL,
          CONSTRAINT pk_notices PRIMARY KEY (operator, kind, digest, stage),
          CONSTRAINT ck_notices_stage CHECK (stage IN ('first', 'reminder'))
        );
        CREATE INDEX ix_notices_message_id ON notices (message_id);
        """
    )
    grant("notice_channels", "SELECT, INSERT, UPDATE")
    grant("notice_messages", "SELECT, INSERT, UPDATE")
    grant("notices", "SELECT, INSERT")
