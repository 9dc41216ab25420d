"""Price marks, screening results and what windows count."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import append_only, grant

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two tables of statements that are kept for ever, and one of admissions, taken over from the withdrawals."""
    _statements("price_marks", "asset text NOT NULL, usd_picos numeric(78, 0) NOT NULL", "asset")
    _statements(
        "screenings",
        "chain text NOT NULL, destination text NOT NULL, result text NOT NULL,"
        " CONSTRAINT ck_screenings_result CHECK (result IN ('clear', 'review', 'hit'))",
        "chain, destination",
    )
    op.execute(
        """
        CREATE TABLE admissions (
          sequence bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_admissions PRIMARY KEY,
          digest text NOT NULL CONSTRAINT fk_admissions_digest REFERENCES intents,
          client text,
          destination text,
          asset text,
          requester text,
          units numeric(78, 0),
          usd_micros numeric(78, 0),
          facts jsonb NOT NULL,
          ended_at timestamptz,
          released boolean NOT NULL DEFAULT false,
          CONSTRAINT uq_admissions_digest UNIQUE (digest),
          CONSTRAINT ck_admissions_units CHECK (units > 0),
          CONSTRAINT ck_admissions_usd_micros CHECK (usd_micros > 0)
        );
        INSERT INTO admissions (digest, client, destination, asset, requester, units, facts, ended_at, released)
        SELECT digest, facts ->> 'client', facts ->> 'destination_text', facts ->> 'asset', facts ->> 'requester',
          units, facts, CASE state WHEN 'completed' THEN state_since END,
          state IN ('denied', 'rejected', 'expired', 'cancelled', 'failed')
        FROM withdrawals WHERE state <> 'denied' ORDER BY requested_at, id;
        DROP INDEX ix_withdrawals_counted;
        DROP INDEX ix_withdrawals_counted_client;
        DROP INDEX ix_withdrawals_counted_destination;
        """
    )
    until = "(coalesce(ended_at, timestamptz 'infinity'))"
    for name, columns in (
        ("everyone", until),
        ("client", f"client, {until}"),
        ("destination", f"destination, {until}"),
        ("asset", f"asset, {until}"),
        ("requester", f"requester, {until}"),
    ):
        op.execute(f"CREATE INDEX ix_admissions_{name} ON admissions ({columns}) WHERE NOT released")
    grant("admissions", "SELECT, INSERT, UPDATE (ended_at, released)")


def _statements(table: str, columns: str, key: str) -> None:
    op.execute(
        f"""
        CREATE TABLE {table} (
          id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_{table} PRIMARY KEY,
          message text NOT NULL,
          service text NOT NULL,
          stated_at timestamptz NOT NULL,
          document jsonb NOT NULL,
          received_at timestamptz NOT NULL,
          {columns},
          CONSTRAINT uq_{table}_service_message UNIQUE (service, message)
        );
        CREATE INDEX ix_{table}_newest ON {table} ({key}, service, stated_at DESC, message DESC);
        """
    )
    append_only(table)
