"""An address is named by its locator, whatever the chain calls it, and may be kept for one client from the start."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Locators in place of scripts; a series of addresses is a vault's, or one client's in it."""
    op.execute(
        """
        ALTER TABLE withdrawals RENAME COLUMN script_pubkey TO locator;

        ALTER TABLE addresses RENAME COLUMN script_pubkey TO locator;
        ALTER TABLE addresses RENAME CONSTRAINT uq_addresses_script_pubkey TO uq_addresses_locator;
        ALTER TABLE addresses
          ADD COLUMN kept_for text NOT NULL DEFAULT '',
          ADD CONSTRAINT ck_addresses_kept_for CHECK (kept_for = '' OR client_id IS NULL OR client_id = kept_for),
          DROP CONSTRAINT uq_addresses_vault_id_change_index,
          ADD CONSTRAINT uq_addresses_vault_id_kept_for_change_index UNIQUE (vault_id, kept_for, change, index);
        DROP INDEX ix_addresses_stock;
        CREATE INDEX ix_addresses_stock ON addresses (vault_id, kept_for, change, index) WHERE state = 'stock';
        """
    )
