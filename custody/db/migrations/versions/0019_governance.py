"""Stops with their causes, listed destinations, how breaks were resolved, and entries posted by hand."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import append_only, grant

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What was frozen before stays so, for the cause that froze it: until now only the daemon did."""
    op.execute(
        """
        ALTER TABLE intents ADD COLUMN carried_out_at timestamptz;

        CREATE TABLE stops (
          id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_stops PRIMARY KEY,
          scope text NOT NULL,
          subject text NOT NULL,
          cause text NOT NULL,
          reason text NOT NULL,
          digest text CONSTRAINT fk_stops_digest REFERENCES intents,
          since timestamptz NOT NULL,
          lifted_at timestamptz,
          lifted_by text CONSTRAINT fk_stops_lifted_by REFERENCES intents,
          CONSTRAINT ck_stops_scope CHECK (scope IN ('client', 'vault', 'asset', 'everything')),
          CONSTRAINT ck_stops_cause CHECK (cause IN ('people', 'reorg', 'break', 'rules')),
          CONSTRAINT ck_stops_digest CHECK ((cause = 'people') = (digest IS NOT NULL)),
          CONSTRAINT ck_stops_lifted CHECK ((lifted_at IS NULL) = (lifted_by IS NULL)),
          CONSTRAINT ck_stops_everything CHECK ((scope = 'everything') = (subject = 'everything'))
        );
        CREATE UNIQUE INDEX uq_stops_digest ON stops (digest);
        CREATE UNIQUE INDEX uq_stops_standing ON stops (scope, subject, cause)
          WHERE lifted_at IS NULL AND digest IS NULL;
        CREATE INDEX ix_stops_standing ON stops (scope, subject) WHERE lifted_at IS NULL;

        CREATE FUNCTION keep_stop() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF (NEW.scope, NEW.subject, NEW.cause, NEW.reason, NEW.digest, NEW.since)
             IS DISTINCT FROM (OLD.scope, OLD.subject, OLD.cause, OLD.reason, OLD.digest, OLD.since)
             OR OLD.lifted_at IS NOT NULL THEN
            RAISE EXCEPTION 'a stop is lifted once, and says for ever what it stopped and why'
              USING ERRCODE = 'check_violation';
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER keep_stop BEFORE UPDATE ON stops FOR EACH ROW EXECUTE FUNCTION keep_stop();

        ALTER TABLE vaults ADD COLUMN frozen_cause text;
        UPDATE vaults SET frozen_cause = CASE WHEN frozen_reason = 'break' THEN 'break' ELSE 'rules' END
          WHERE frozen_at IS NOT NULL;
        INSERT INTO stops (scope, subject, cause, reason, since)
          SELECT 'client', id, 'reorg', coalesce(status_reason, 'frozen'), status_since FROM clients
          WHERE status = 'frozen';
        INSERT INTO stops (scope, subject, cause, reason, since)
          SELECT 'vault', id, frozen_cause, frozen_reason, frozen_at
          FROM vaults WHERE frozen_at IS NOT NULL;

        ALTER TABLE breaks DROP CONSTRAINT uq_breaks_same;
        CREATE INDEX ix_breaks_vault_id ON breaks (vault_id, asset, check_name);
        CREATE TABLE break_resolutions (
          break_id text CONSTRAINT pk_break_resolutions PRIMARY KEY,
          digest text NOT NULL CONSTRAINT uq_break_resolutions_digest UNIQUE,
          resolution text NOT NULL,
          reason text NOT NULL,
          resolved_at timestamptz NOT NULL,
          CONSTRAINT fk_break_resolutions_break_id FOREIGN KEY (break_id) REFERENCES breaks,
          CONSTRAINT fk_break_resolutions_digest FOREIGN KEY (digest) REFERENCES intents,
          CONSTRAINT ck_break_resolutions_resolution CHECK (resolution IN ('explained', 'corrected'))
        );

        INSERT INTO ledger_reasons (reason, falls, rises, one_client, authority) VALUES
          ('suspense_restored', '{available}', '{suspense}', true, true),
          ('found_on_chain', '{onchain}', '{suspense}', true, false),
          ('lost_on_chain', '{suspense}', '{onchain}', true, true);

        CREATE TABLE listings (
          digest text CONSTRAINT pk_listings PRIMARY KEY CONSTRAINT fk_listings_digest REFERENCES intents,
          client_id text NOT NULL CONSTRAINT fk_listings_client_id REFERENCES clients,
          chain text NOT NULL,
          destination text NOT NULL,
          locator bytea NOT NULL,
          label text NOT NULL,
          listed_at timestamptz NOT NULL,
          counts_from timestamptz NOT NULL,
          delisted_at timestamptz,
          delisted_by text CONSTRAINT fk_listings_delisted_by REFERENCES intents,
          CONSTRAINT ck_listings_delisted CHECK ((delisted_at IS NULL) = (delisted_by IS NULL))
        );
        CREATE UNIQUE INDEX uq_listings_standing ON listings (client_id, chain, locator) WHERE delisted_at IS NULL;
        CREATE TABLE listing_checks (
          digest text CONSTRAINT pk_listing_checks PRIMARY KEY CONSTRAINT fk_listing_checks_digest REFERENCES intents,
          looks_like text NOT NULL,
          noticed_at timestamptz NOT NULL,
          confirmation jsonb,
          confirmed_by text,
          confirmed_at timestamptz
        );
        CREATE TABLE destination_codes (
          chain text NOT NULL,
          locator bytea NOT NULL,
          code text NOT NULL,
          seen_at timestamptz NOT NULL,
          CONSTRAINT pk_destination_codes PRIMARY KEY (chain, locator),
          CONSTRAINT ck_destination_codes_code CHECK (code IN ('contract', 'plain'))
        );
        """
    )
    append_only("break_resolutions")
    grant("stops", "SELECT, INSERT, UPDATE (lifted_at, lifted_by)")
    grant("listings", "SELECT, INSERT, UPDATE (delisted_at, delisted_by)")
    grant("listing_checks", "SELECT, INSERT, UPDATE (confirmation, confirmed_by, confirmed_at)")
    grant("destination_codes", "SELECT, INSERT, UPDATE (code, seen_at)")
    grant("suspended_assets", "DELETE")
