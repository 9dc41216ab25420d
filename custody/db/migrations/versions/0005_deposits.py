"""Deposits: what came in from outside, from first sight to the books."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import append_only, grant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One row per outpoint for ever; each move of its state is a row that cannot be changed."""
    op.execute(
        """
        CREATE TABLE deposits (
          id text CONSTRAINT pk_deposits PRIMARY KEY,
          chain text NOT NULL,
          txid text NOT NULL,
          vout integer NOT NULL,
          vault_id text NOT NULL,
          client_id text,
          address_id bigint NOT NULL,
          asset text NOT NULL,
          units numeric(78,0) NOT NULL,
          coinbase boolean NOT NULL,
          state text NOT NULL,
          step integer NOT NULL,
          occurrence integer NOT NULL,
          required_depth integer NOT NULL,
          height integer,
          block_hash text,
          entry_id bigint,
          reason text,
          unbacked boolean NOT NULL,
          first_seen_at timestamptz NOT NULL,
          updated_at timestamptz NOT NULL,
          booked_at timestamptz,
          CONSTRAINT uq_deposits_chain_txid_vout UNIQUE (chain, txid, vout),
          CONSTRAINT ck_deposits_state CHECK
            (state IN ('seen', 'confirming', 'credited', 'orphaned', 'quarantined', 'dust')),
          CONSTRAINT ck_deposits_units CHECK (units > 0),
          CONSTRAINT ck_deposits_block CHECK ((height IS NULL) = (state IN ('seen', 'orphaned'))),
          CONSTRAINT ck_deposits_booked CHECK
            ((entry_id IS NOT NULL) = (state IN ('credited', 'quarantined', 'dust'))),
          CONSTRAINT ck_deposits_credited CHECK (state <> 'credited' OR client_id IS NOT NULL),
          CONSTRAINT ck_deposits_unbacked CHECK (NOT unbacked OR entry_id IS NOT NULL)
        );
        CREATE INDEX ix_deposits_client_id ON deposits (client_id);
        CREATE INDEX ix_deposits_vault_id ON deposits (vault_id, height);
        CREATE INDEX ix_deposits_waiting ON deposits (chain, height) WHERE state IN ('seen', 'confirming');

        CREATE INDEX ix_deposits_unbacked ON deposits (chain) WHERE unbacked;

        CREATE TABLE deposit_transitions (
          subject text NOT NULL CONSTRAINT fk_deposit_transitions_subject REFERENCES deposits
            DEFERRABLE INITIALLY DEFERRED,
          step integer NOT NULL,
          from_state text NOT NULL,
          to_state text NOT NULL,
          event text NOT NULL,
          actor text NOT NULL,
          at timestamptz NOT NULL,
          CONSTRAINT pk_deposit_transitions PRIMARY KEY (subject, step)
        );

        CREATE TABLE deposit_progress (
          chain text CONSTRAINT pk_deposit_progress PRIMARY KEY,
          change_id bigint NOT NULL
        );

        CREATE FUNCTION keep_deposit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF (NEW.chain, NEW.txid, NEW.vout, NEW.vault_id, NEW.address_id, NEW.asset, NEW.units)
             IS DISTINCT FROM (OLD.chain, OLD.txid, OLD.vout, OLD.vault_id, OLD.address_id, OLD.asset, OLD.units)
             OR (OLD.client_id IS NOT NULL AND NEW.client_id IS DISTINCT FROM OLD.client_id) THEN
            RAISE EXCEPTION 'what arrived, and for whom, never changes' USING ERRCODE = 'check_violation';
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER keep_deposit BEFORE UPDATE ON deposits FOR EACH ROW EXECUTE FUNCTION keep_deposit();
        """
    )
    grant("deposits", "SELECT, INSERT, UPDATE")
    append_only("deposit_transitions")
    grant("deposit_progress", "SELECT, INSERT, UPDATE")
