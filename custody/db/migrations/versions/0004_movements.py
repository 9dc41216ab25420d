"""Movements: blocks seen, scan progress, coins, and what the chain did to our vaults."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import APPLICATION_ROLE, grant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Everything here can be rebuilt from the chain, so nothing outside this room refers to a row of it."""
    op.execute(
        """
        CREATE TABLE blocks (
          chain text NOT NULL,
          height integer NOT NULL,
          hash text NOT NULL,
          parent text,
          scanned_at timestamptz NOT NULL,
          CONSTRAINT pk_blocks PRIMARY KEY (chain, height)
        );

        CREATE TABLE scan_progress (
          chain text CONSTRAINT pk_scan_progress PRIMARY KEY,
          height integer NOT NULL,
          hash text NOT NULL,
          updated_at timestamptz NOT NULL
        );

        CREATE TABLE coins (
          chain text NOT NULL,
          txid text NOT NULL,
          vout integer NOT NULL,
          vault_id text NOT NULL,
          address_id bigint NOT NULL,
          change boolean NOT NULL,
          script_pubkey bytea NOT NULL,
          units numeric(78,0) NOT NULL,
          coinbase boolean NOT NULL,
          created_height integer,
          created_hash text,
          spent_by text,
          spent_height integer,
          spent_hash text,
          CONSTRAINT pk_coins PRIMARY KEY (chain, txid, vout),
          CONSTRAINT ck_coins_units CHECK (units >= 0),
          CONSTRAINT ck_coins_spent CHECK
            ((spent_by IS NULL) = (spent_height IS NULL) AND (spent_by IS NULL) = (spent_hash IS NULL))
        );
        CREATE INDEX ix_coins_unspent ON coins (vault_id, created_height) WHERE spent_by IS NULL;
        CREATE INDEX ix_coins_vault_id ON coins (vault_id);
        CREATE INDEX ix_coins_created_height ON coins (chain, created_height);
        CREATE INDEX ix_coins_spent_height ON coins (chain, spent_height) WHERE spent_by IS NOT NULL;

        CREATE SEQUENCE movement_changes;
        CREATE TABLE movements (
          id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_movements PRIMARY KEY,
          change_id bigint NOT NULL DEFAULT nextval('movement_changes')
            CONSTRAINT uq_movements_change_id UNIQUE,
          chain text NOT NULL,
          direction text NOT NULL,
          vault_id text NOT NULL,
          address_id bigint NOT NULL,
          change boolean NOT NULL,
          own_spend boolean NOT NULL,
          coinbase boolean NOT NULL,
          txid text NOT NULL,
          vout integer NOT NULL,
          spent_by text,
          units numeric(78,0) NOT NULL,
          height integer NOT NULL,
          block_hash text NOT NULL,
          seen_at timestamptz NOT NULL,
          removed_at timestamptz,
          CONSTRAINT ck_movements_direction CHECK (direction IN ('in', 'out')),
          CONSTRAINT ck_movements_spent_by CHECK ((direction = 'out') = (spent_by IS NOT NULL)),
          CONSTRAINT ck_movements_units CHECK (units >= 0)
        );
        CREATE UNIQUE INDEX uq_movements_live ON movements (chain, direction, txid, vout) WHERE removed_at IS NULL;
        CREATE INDEX ix_movements_height ON movements (chain, height) WHERE removed_at IS NULL;
        CREATE INDEX ix_movements_vault_id ON movements (vault_id, height) WHERE removed_at IS NULL;
        CREATE INDEX ix_movements_spent_by ON movements (chain, spent_by) WHERE removed_at IS NULL;

        CREATE FUNCTION keep_removed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF OLD.removed_at IS NOT NULL OR NEW.removed_at IS NULL THEN
            RAISE EXCEPTION 'a movement is removed once' USING ERRCODE = 'check_violation';
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER keep_removed BEFORE UPDATE ON movements FOR EACH ROW EXECUTE FUNCTION keep_removed();
        """
    )
    grant("blocks", "SELECT, INSERT, DELETE")
    grant("scan_progress", "SELECT, INSERT, UPDATE")
    grant("coins", "SELECT, INSERT, UPDATE, DELETE")
    grant("movements", "SELECT, INSERT, UPDATE (removed_at, change_id)")
    op.execute(f"GRANT USAGE ON SEQUENCE movement_changes TO {APPLICATION_ROLE}")
