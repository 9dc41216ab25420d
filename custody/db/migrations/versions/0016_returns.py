"""Returns: what came astray to an address of ours on another chain, and how it is sent on."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import grant

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One table: a return is kept for ever, and of each stray and of each turn one at most may be signed."""
    op.execute(
        """
        CREATE TABLE returns (
          id text CONSTRAINT pk_returns PRIMARY KEY,
          digest text NOT NULL CONSTRAINT uq_returns_digest UNIQUE,
          chain text NOT NULL,
          txid text NOT NULL,
          position integer NOT NULL,
          vault_id text NOT NULL,
          client_id text NOT NULL,
          address_index integer NOT NULL,
          locator bytea NOT NULL,
          asset text NOT NULL,
          units numeric(78, 0) NOT NULL,
          state text NOT NULL,
          number integer,
          unsigned text,
          spend text,
          final bytea,
          ended_height integer,
          asked_at timestamptz NOT NULL,
          state_since timestamptz NOT NULL,
          CONSTRAINT fk_returns_digest FOREIGN KEY (digest) REFERENCES intents,
          CONSTRAINT fk_returns_vault_id FOREIGN KEY (vault_id) REFERENCES vaults,
          CONSTRAINT fk_returns_client_id FOREIGN KEY (client_id) REFERENCES clients,
          CONSTRAINT ck_returns_state CHECK (
            state IN ('asked', 'awaiting_signatures', 'signed', 'returned', 'failed', 'refused')),
          CONSTRAINT ck_returns_composed CHECK ((state = 'asked') = (spend IS NULL)),
          CONSTRAINT ck_returns_units CHECK (units > 0)
        );
        CREATE UNIQUE INDEX uq_returns_stray ON returns (chain, txid, position)
          WHERE state IN ('awaiting_signatures', 'signed', 'returned', 'failed');
        CREATE UNIQUE INDEX uq_returns_turn ON returns (chain, locator, number)
          WHERE state IN ('awaiting_signatures', 'signed', 'returned', 'failed');
        CREATE INDEX ix_returns_chain_state ON returns (chain, state);
        """
    )
    grant("returns", "SELECT, INSERT, UPDATE (state, number, unsigned, spend, final, ended_height, state_since)")
