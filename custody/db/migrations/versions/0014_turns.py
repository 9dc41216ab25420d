"""Turns: how signed spends ended, where a spend is not a transaction of its own, and attempts that pay nobody."""

from __future__ import annotations

from alembic import op

from custody.db.migrations.grants import grant

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Outcomes can be rebuilt from the chain as movements can, and are removed by a reorg as they are, once."""
    op.execute(
        """
        CREATE TABLE outcomes (
          id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_outcomes PRIMARY KEY,
          chain text NOT NULL,
          spend text NOT NULL,
          txid text NOT NULL,
          locator bytea NOT NULL,
          succeeded boolean NOT NULL,
          height integer NOT NULL,
          block_hash text NOT NULL,
          seen_at timestamptz NOT NULL,
          removed_at timestamptz
        );
        CREATE UNIQUE INDEX uq_outcomes_live ON outcomes (chain, locator, spend) WHERE removed_at IS NULL;
        CREATE INDEX ix_outcomes_spend ON outcomes (chain, spend) WHERE removed_at IS NULL;
        CREATE INDEX ix_outcomes_height ON outcomes (chain, height) WHERE removed_at IS NULL;
        CREATE TRIGGER keep_removed BEFORE UPDATE ON outcomes FOR EACH ROW EXECUTE FUNCTION keep_removed();

        INSERT INTO ledger_reasons (reason, falls, rises, one_client, authority) VALUES
          ('hold_restored', '{available,receivable}', '{held}', true, false);

        ALTER TABLE attempts DROP CONSTRAINT uq_attempts_txid;
        CREATE UNIQUE INDEX uq_attempts_spend ON attempts (txid) WHERE state <> 'abandoned';
        CREATE INDEX ix_attempts_txid ON attempts (txid);
        ALTER TABLE attempts ADD COLUMN pays boolean NOT NULL DEFAULT true;
        ALTER TABLE attempts DROP CONSTRAINT ck_attempts_final;
        ALTER TABLE attempts ADD CONSTRAINT ck_attempts_final
          CHECK (state IN ('composed', 'confirmed', 'replaced', 'abandoned') OR final IS NOT NULL);
        DROP INDEX ix_attempts_on_their_way;
        CREATE INDEX ix_attempts_on_their_way ON attempts (chain) WHERE state IN ('composed', 'signed', 'sent');

        ALTER TABLE withdrawals ADD COLUMN respend text CONSTRAINT fk_withdrawals_respend REFERENCES intents;
        CREATE UNIQUE INDEX uq_withdrawals_respend ON withdrawals (respend) WHERE respend IS NOT NULL;
        ALTER TABLE withdrawals DROP CONSTRAINT ck_withdrawals_state;
        ALTER TABLE withdrawals ADD CONSTRAINT ck_withdrawals_state CHECK (state IN ('requested', 'pending_approval',
          'approved', 'awaiting_signatures', 'signed', 'broadcast', 'confirmed', 'cancelling', 'completed', 'denied',
          'rejected', 'expired', 'cancelled', 'failed'));
        """
    )
    grant("outcomes", "SELECT, INSERT, UPDATE (removed_at)")
