"""Looking back: reconciliation runs and the breaks they found."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import append_only

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A run is one comparison at one block. A break stays open: only an approved intent will ever lift it."""
    op.execute(
        """
        CREATE TABLE reconciliation_runs (
          id text CONSTRAINT pk_reconciliation_runs PRIMARY KEY,
          chain text NOT NULL,
          kind text NOT NULL,
          height integer NOT NULL,
          hash text NOT NULL,
          result text NOT NULL,
          totals jsonb NOT NULL,
          started_at timestamptz NOT NULL,
          finished_at timestamptz NOT NULL,
          CONSTRAINT ck_reconciliation_runs_kind CHECK (kind IN ('scripts', 'ranged')),
          CONSTRAINT ck_reconciliation_runs_result CHECK (result IN ('balanced', 'break'))
        );
        CREATE INDEX ix_reconciliation_runs_chain_finished_at ON reconciliation_runs (chain, finished_at);

        CREATE TABLE breaks (
          id text CONSTRAINT pk_breaks PRIMARY KEY,
          run_id text NOT NULL CONSTRAINT fk_breaks_run_id REFERENCES reconciliation_runs,
          vault_id text NOT NULL CONSTRAINT fk_breaks_vault_id REFERENCES vaults,
          asset text NOT NULL,
          check_name text NOT NULL,
          expected numeric(78,0) NOT NULL,
          found numeric(78,0) NOT NULL,
          detail text NOT NULL,
          opened_at timestamptz NOT NULL,
          CONSTRAINT uq_breaks_same UNIQUE (vault_id, asset, check_name, expected, found, detail)
        );
        """
    )
    append_only("reconciliation_runs")
    append_only("breaks")
