"""Parties: clients, trust roots in force, keysets, vaults and their addresses."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import append_only, grant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Who there is, whose keys count, and which scripts are whose."""
    op.execute(
        """
        CREATE TABLE clients (
          id text CONSTRAINT pk_clients PRIMARY KEY,
          name text NOT NULL CONSTRAINT uq_clients_name UNIQUE,
          segregation text NOT NULL,
          status text NOT NULL,
          status_reason text,
          status_since timestamptz NOT NULL,
          opening text NOT NULL,
          opened_at timestamptz NOT NULL,
          CONSTRAINT ck_clients_segregation CHECK (segregation IN ('segregated', 'omnibus')),
          CONSTRAINT ck_clients_status CHECK (status IN ('active', 'frozen', 'defaulted', 'closed'))
        );

        CREATE TABLE trust_roots (
          version integer CONSTRAINT pk_trust_roots PRIMARY KEY,
          hash text NOT NULL CONSTRAINT uq_trust_roots_hash UNIQUE,
          document jsonb NOT NULL,
          policy text NOT NULL,
          in_force_at timestamptz NOT NULL
        );

        CREATE TABLE keysets (
          id text CONSTRAINT pk_keysets PRIMARY KEY,
          chain text NOT NULL,
          threshold integer NOT NULL,
          document jsonb NOT NULL,
          descriptor_hash text NOT NULL,
          consents jsonb NOT NULL,
          registered_at timestamptz NOT NULL
        );

        CREATE TABLE vaults (
          id text CONSTRAINT pk_vaults PRIMARY KEY,
          keyset_id text NOT NULL CONSTRAINT fk_vaults_keyset_id REFERENCES keysets,
          branch integer NOT NULL,
          chain text NOT NULL,
          kind text NOT NULL,
          frozen_reason text,
          frozen_at timestamptz,
          reconciled_height integer,
          reconciled_at timestamptz,
          opened_at timestamptz NOT NULL,
          CONSTRAINT uq_vaults_keyset_id_branch UNIQUE (keyset_id, branch),
          CONSTRAINT ck_vaults_kind CHECK (kind IN ('segregated', 'pool')),
          CONSTRAINT ck_vaults_branch CHECK (branch >= 0)
        );

        CREATE TABLE vault_members (
          client_id text NOT NULL CONSTRAINT fk_vault_members_client_id REFERENCES clients,
          keyset_id text NOT NULL CONSTRAINT fk_vault_members_keyset_id REFERENCES keysets,
          vault_id text NOT NULL CONSTRAINT fk_vault_members_vault_id REFERENCES vaults,
          since timestamptz NOT NULL,
          CONSTRAINT pk_vault_members PRIMARY KEY (client_id, keyset_id)
        );
        CREATE INDEX ix_vault_members_vault_id ON vault_members (vault_id);

        CREATE TABLE addresses (
          id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_addresses PRIMARY KEY,
          vault_id text NOT NULL CONSTRAINT fk_addresses_vault_id REFERENCES vaults,
          change boolean NOT NULL,
          index integer NOT NULL,
          script_pubkey bytea NOT NULL CONSTRAINT uq_addresses_script_pubkey UNIQUE,
          address text NOT NULL,
          state text NOT NULL,
          client_id text CONSTRAINT fk_addresses_client_id REFERENCES clients,
          seal bytea NOT NULL,
          derived_at timestamptz NOT NULL,
          issued_at timestamptz,
          CONSTRAINT uq_addresses_vault_id_change_index UNIQUE (vault_id, change, index),
          CONSTRAINT ck_addresses_state CHECK (state IN ('stock', 'issued', 'burned')),
          CONSTRAINT ck_addresses_owner CHECK (state <> 'issued' OR change OR client_id IS NOT NULL)
        );
        CREATE INDEX ix_addresses_stock ON addresses (vault_id, change, index) WHERE state = 'stock';
        CREATE INDEX ix_addresses_client_id ON addresses (client_id);

        CREATE FUNCTION keep_address() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF OLD.state <> 'stock' AND (NEW.state <> OLD.state OR NEW.client_id IS DISTINCT FROM OLD.client_id) THEN
            RAISE EXCEPTION 'an address is handed out once' USING ERRCODE = 'check_violation';
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER keep_address BEFORE UPDATE ON addresses FOR EACH ROW EXECUTE FUNCTION keep_address();
        """
    )
    grant("clients", "SELECT, INSERT, UPDATE")
    append_only("trust_roots")
    append_only("keysets")
    grant("vaults", "SELECT, INSERT, UPDATE")
    append_only("vault_members")
    grant("addresses", "SELECT, INSERT, UPDATE")
