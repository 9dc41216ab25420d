"""Claims: what one withdrawal alone may use up is named by a text, whatever the chain."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Inputs and reservations get a claim, columns the chain-neutral names; a bundle keeps its attempt's inputs."""
    op.execute(
        """
        ALTER TABLE attempts RENAME COLUMN psbt TO unsigned;
        ALTER TABLE attempts RENAME COLUMN vsize TO weight;
        UPDATE attempts a SET inputs = (
          SELECT coalesce(jsonb_agg(
              (x.item - 'vout' - 'amount_sat') || jsonb_build_object(
                'claim', (x.item ->> 'txid') || ':' || (x.item ->> 'vout'),
                'position', x.item -> 'vout',
                'units', x.item -> 'amount_sat')
              ORDER BY x.place), '[]')
          FROM jsonb_array_elements(a.inputs) WITH ORDINALITY AS x (item, place));

        ALTER TABLE bundles RENAME COLUMN paths TO inputs;
        UPDATE bundles b SET inputs = a.inputs FROM attempts a WHERE a.id = b.attempt_id;

        ALTER TABLE reservations ADD COLUMN claim text;
        UPDATE reservations SET claim = txid || ':' || vout;
        ALTER TABLE reservations DROP CONSTRAINT pk_reservations;
        ALTER TABLE reservations DROP COLUMN txid, DROP COLUMN vout;
        ALTER TABLE reservations ADD CONSTRAINT pk_reservations PRIMARY KEY (chain, claim);

        UPDATE outbox SET payload = (payload - 'fee_rate_sat_kvb')
            || jsonb_build_object('fee_rate', payload -> 'fee_rate_sat_kvb')
        WHERE topic = 'withdrawals.replace' AND payload ? 'fee_rate_sat_kvb';
        """
    )
