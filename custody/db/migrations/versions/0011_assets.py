"""Coins and movements say which asset they are of, and where they lie in words of any chain."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Whatever was recorded before is bitcoin, whose CAIP-19 id ends the same on every network."""
    op.execute(
        """
        ALTER TABLE coins RENAME COLUMN vout TO position;
        ALTER TABLE coins RENAME COLUMN script_pubkey TO locator;
        ALTER TABLE coins ADD COLUMN asset text;
        UPDATE coins SET asset = chain || '/slip44:0';
        ALTER TABLE coins ALTER COLUMN asset SET NOT NULL;

        ALTER TABLE movements RENAME COLUMN vout TO position;
        ALTER TABLE movements ADD COLUMN asset text;
        ALTER TABLE movements DISABLE TRIGGER keep_removed;
        UPDATE movements SET asset = chain || '/slip44:0';
        ALTER TABLE movements ENABLE TRIGGER keep_removed;
        ALTER TABLE movements ALTER COLUMN asset SET NOT NULL;

        ALTER TABLE deposits RENAME COLUMN vout TO position;
        ALTER TABLE deposits RENAME CONSTRAINT uq_deposits_chain_txid_vout TO uq_deposits_chain_txid_position;

        CREATE OR REPLACE FUNCTION keep_deposit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF (NEW.chain, NEW.txid, NEW.position, NEW.vault_id, NEW.address_id, NEW.asset, NEW.units)
             IS DISTINCT FROM (OLD.chain, OLD.txid, OLD.position, OLD.vault_id, OLD.address_id, OLD.asset, OLD.units)
             OR (OLD.client_id IS NOT NULL AND NEW.client_id IS DISTINCT FROM OLD.client_id) THEN
            RAISE EXCEPTION 'what arrived, and for whom, never changes' USING ERRCODE = 'check_violation';
          END IF;
          RETURN NEW;
        END $$;
        """
    )
