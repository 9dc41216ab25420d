"""Relaying: who pays the fee of spends that somebody else carries, and the transactions that do."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import append_only, grant

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A place of the house's own among vaults and addresses, the reasons of its books, payers and their carriages."""
    op.execute(
        """
        ALTER TABLE vaults ALTER COLUMN keyset_id DROP NOT NULL;
        ALTER TABLE vaults DROP CONSTRAINT ck_vaults_kind;
        ALTER TABLE vaults ADD CONSTRAINT ck_vaults_kind CHECK (kind IN ('segregated', 'pool', 'house'));
        ALTER TABLE vaults ADD CONSTRAINT ck_vaults_keyset CHECK ((kind = 'house') = (keyset_id IS NULL));

        ALTER TABLE addresses DROP CONSTRAINT ck_addresses_state;
        ALTER TABLE addresses ADD CONSTRAINT ck_addresses_state
          CHECK (state IN ('stock', 'issued', 'burned', 'house'));

        INSERT INTO ledger_reasons (reason, falls, rises, one_client, authority) VALUES
          ('capital_reversed', '{capital}', '{onchain}', true, false),
          ('network_fee_reversed', '{onchain}', '{network_fees}', true, false),
          ('gas_bill_reversed', '{network_fees}', '{receivable}', true, false);

        CREATE TABLE payers (
          chain text NOT NULL,
          account text NOT NULL,
          vault_id text NOT NULL CONSTRAINT fk_payers_vault_id REFERENCES vaults,
          next_number bigint NOT NULL,
          change_id bigint NOT NULL,
          low_since timestamptz,
          stopped_reason text,
          stopped_at timestamptz,
          registered_at timestamptz NOT NULL,
          CONSTRAINT pk_payers PRIMARY KEY (chain, account),
          CONSTRAINT ck_payers_next_number CHECK (next_number >= 0),
          CONSTRAINT ck_payers_stopped CHECK ((stopped_at IS NULL) = (stopped_reason IS NULL))
        );

        CREATE TABLE carriages (
          id text CONSTRAINT pk_carriages PRIMARY KEY,
          chain text NOT NULL,
          account text NOT NULL,
          number bigint NOT NULL,
          state text NOT NULL,
          step integer NOT NULL,
          occurrence integer NOT NULL,
          txid text,
          height integer,
          fee_units numeric(78, 0),
          raise_asked boolean NOT NULL DEFAULT false,
          waiting_for text,
          built_at timestamptz NOT NULL,
          state_since timestamptz NOT NULL,
          CONSTRAINT fk_carriages_payer FOREIGN KEY (chain, account) REFERENCES payers,
          CONSTRAINT uq_carriages_chain_account_number UNIQUE (chain, account, number),
          CONSTRAINT ck_carriages_state CHECK (state IN ('built', 'sent', 'mined', 'confirmed')),
          CONSTRAINT ck_carriages_mined CHECK ((state IN ('mined', 'confirmed')) = (height IS NOT NULL)
            AND (height IS NULL) = (txid IS NULL) AND (height IS NULL) = (fee_units IS NULL))
        );
        CREATE INDEX ix_carriages_open ON carriages (chain, account, number) WHERE state <> 'confirmed';

        CREATE TABLE carriage_transitions (
          subject text NOT NULL CONSTRAINT fk_carriage_transitions_subject REFERENCES carriages
            DEFERRABLE INITIALLY DEFERRED,
          step integer NOT NULL,
          from_state text NOT NULL,
          to_state text NOT NULL,
          event text NOT NULL,
          actor text NOT NULL,
          at timestamptz NOT NULL,
          CONSTRAINT pk_carriage_transitions PRIMARY KEY (subject, step)
        );

        CREATE TABLE carriage_variants (
          carriage_id text NOT NULL CONSTRAINT fk_carriage_variants_carriage_id REFERENCES carriages,
          sequence integer NOT NULL,
          txid text NOT NULL CONSTRAINT uq_carriage_variants_txid UNIQUE,
          raw bytea NOT NULL,
          weight_limit bigint NOT NULL,
          rate numeric(78, 0) NOT NULL,
          tip numeric(78, 0) NOT NULL,
          spends jsonb NOT NULL,
          built_at timestamptz NOT NULL,
          sent_at timestamptz,
          outcome text,
          CONSTRAINT pk_carriage_variants PRIMARY KEY (carriage_id, sequence)
        );

        CREATE TABLE loads (
          chain text NOT NULL,
          spend text NOT NULL,
          claim text NOT NULL,
          final bytea NOT NULL,
          client text,
          ceiling_units numeric(78, 0) NOT NULL,
          state text NOT NULL,
          carriage_id text CONSTRAINT fk_loads_carriage_id REFERENCES carriages,
          tries integer NOT NULL,
          waiting_for text,
          offered_at timestamptz NOT NULL,
          state_since timestamptz NOT NULL,
          CONSTRAINT pk_loads PRIMARY KEY (chain, spend),
          CONSTRAINT ck_loads_state CHECK (state IN ('waiting', 'riding', 'ended', 'stuck')),
          CONSTRAINT ck_loads_riding CHECK (state <> 'riding' OR carriage_id IS NOT NULL)
        );
        CREATE INDEX ix_loads_waiting ON loads (chain, offered_at) WHERE state = 'waiting';
        CREATE INDEX ix_loads_claim ON loads (chain, claim);
        CREATE INDEX ix_loads_carriage_id ON loads (carriage_id);

        CREATE TABLE carriage_shares (
          carriage_id text NOT NULL CONSTRAINT fk_carriage_shares_carriage_id REFERENCES carriages,
          spend text NOT NULL,
          weight bigint NOT NULL,
          fee_units numeric(78, 0),
          billed_units numeric(78, 0) NOT NULL DEFAULT 0,
          CONSTRAINT pk_carriage_shares PRIMARY KEY (carriage_id, spend),
          CONSTRAINT ck_carriage_shares_weight CHECK (weight > 0),
          CONSTRAINT ck_carriage_shares_billed CHECK (billed_units >= 0 AND billed_units <= coalesce(fee_units, 0))
        );
        CREATE INDEX ix_carriage_shares_spend ON carriage_shares (spend);

        CREATE TABLE payer_bookings (
          chain text NOT NULL,
          vault_id text NOT NULL,
          direction text NOT NULL,
          txid text NOT NULL,
          position integer NOT NULL,
          units numeric(78, 0) NOT NULL,
          occurrence integer NOT NULL,
          booked boolean NOT NULL,
          height integer NOT NULL,
          CONSTRAINT pk_payer_bookings PRIMARY KEY (chain, direction, txid, position)
        );

        CREATE FUNCTION keep_carriage() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF (NEW.chain, NEW.account, NEW.number) IS DISTINCT FROM (OLD.chain, OLD.account, OLD.number) THEN
            RAISE EXCEPTION 'a carriage keeps its number' USING ERRCODE = 'check_violation';
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER keep_carriage BEFORE UPDATE ON carriages FOR EACH ROW EXECUTE FUNCTION keep_carriage();

        CREATE FUNCTION keep_payer() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.next_number < OLD.next_number THEN
            RAISE EXCEPTION 'a number is given once' USING ERRCODE = 'check_violation';
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER keep_payer BEFORE UPDATE ON payers FOR EACH ROW EXECUTE FUNCTION keep_payer();
        """
    )
    for table in ("payers", "carriages", "loads", "carriage_shares", "payer_bookings"):
        grant(table, "SELECT, INSERT, UPDATE")
    grant("carriage_variants", "SELECT, INSERT, UPDATE (sent_at, outcome)")
    append_only("carriage_transitions")
