"""Watching: nodes that show a part of a block, finality, tokens in doubt, and what arrived on another chain."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import grant

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Blocks shown in part and comparisons of balances, finality, doubts, suspended assets, and strays."""
    op.execute(
        """
        ALTER TABLE blocks ADD COLUMN complete boolean NOT NULL DEFAULT true;
        CREATE INDEX ix_blocks_in_part ON blocks (chain, height) WHERE NOT complete;
        ALTER TABLE scan_progress ADD COLUMN finalized integer;

        CREATE TABLE comparisons (
          chain text NOT NULL,
          height integer NOT NULL,
          hash text NOT NULL,
          since text NOT NULL,
          silent text[] NOT NULL,
          compared_at timestamptz NOT NULL,
          CONSTRAINT pk_comparisons PRIMARY KEY (chain, height)
        );
        ALTER TABLE movements ADD COLUMN since text;
        CREATE INDEX ix_movements_compared ON movements (chain, address_id)
          WHERE since IS NOT NULL AND removed_at IS NULL;

        CREATE TABLE doubts (
          id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_doubts PRIMARY KEY,
          chain text NOT NULL,
          asset text NOT NULL,
          block_hash text NOT NULL,
          locator bytea NOT NULL,
          told numeric(78,0) NOT NULL,
          arrived numeric(78,0) NOT NULL,
          found_at timestamptz NOT NULL,
          judged_at timestamptz,
          CONSTRAINT uq_doubts_same UNIQUE (chain, block_hash, locator, asset)
        );
        CREATE INDEX ix_doubts_unjudged ON doubts (chain) WHERE judged_at IS NULL;

        CREATE TABLE suspended_assets (
          chain text NOT NULL,
          asset text NOT NULL,
          reason text NOT NULL,
          since timestamptz NOT NULL,
          CONSTRAINT pk_suspended_assets PRIMARY KEY (asset)
        );

        CREATE TABLE strays (
          id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_strays PRIMARY KEY,
          chain text NOT NULL,
          txid text NOT NULL,
          position integer NOT NULL,
          address_id bigint NOT NULL,
          vault_id text NOT NULL,
          client_id text,
          locator bytea NOT NULL,
          asset text NOT NULL,
          units numeric(78,0) NOT NULL,
          height integer NOT NULL,
          block_hash text NOT NULL,
          seen_at timestamptz NOT NULL,
          removed_at timestamptz,
          CONSTRAINT ck_strays_units CHECK (units >= 0)
        );
        CREATE UNIQUE INDEX uq_strays_live ON strays (chain, txid, position) WHERE removed_at IS NULL;
        CREATE INDEX ix_strays_height ON strays (chain, height) WHERE removed_at IS NULL;
        """
    )
    grant("comparisons", "SELECT, INSERT, DELETE")
    grant("doubts", "SELECT, INSERT, UPDATE (judged_at)")
    grant("suspended_assets", "SELECT, INSERT")
    grant("strays", "SELECT, INSERT, UPDATE (removed_at)")
