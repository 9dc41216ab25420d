"""What the console's pages are read by: names in order, a place's deposits, the log by actor and event, runs summed up.

Every list is read a page at a time behind a key, so each order has an index.
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

INDEXES: Final = """
CREATE INDEX ix_clients_name ON clients ((lower(name) COLLATE "C"), id);
CREATE INDEX ix_addresses_address ON addresses (address);
CREATE INDEX ix_deposits_address_id ON deposits (address_id, id);
CREATE INDEX ix_audit_events_actor_sequence ON audit_events (actor, sequence);
CREATE INDEX ix_audit_events_event_sequence ON audit_events (event, sequence);
CREATE INDEX ix_bundle_deliveries_cosigner_given_at ON bundle_deliveries (cosigner, given_at);
CREATE INDEX ix_vaults_frozen ON vaults (frozen_at) WHERE frozen_at IS NOT NULL;
"""

# A run tells each vault apart; a chart over a month would read all of it for one sum an asset.
SUMS: Final = """
ALTER TABLE reconciliation_runs ADD COLUMN sums jsonb NOT NULL DEFAULT '[]';
UPDATE reconciliation_runs SET sums = coalesce((
  SELECT jsonb_agg(jsonb_build_object('asset', asset, 'vaults', vaults::text, 'node', node::text, 'books', books::text,
      'in_flight', in_flight::text, 'difference', difference::text) ORDER BY place)
  FROM (
    SELECT each.value ->> 'asset' AS asset, each.ordinality AS place, count(*) AS vaults,
      sum((line ->> 'node')::numeric) AS node, sum((line ->> 'ledger')::numeric) AS books,
      sum((SELECT coalesce(sum((item ->> 'units')::numeric), 0)
           FROM jsonb_array_elements(line -> 'in_flight') AS item)) AS in_flight,
      sum((line ->> 'difference')::numeric) AS difference
    FROM jsonb_array_elements(totals -> 'assets') WITH ORDINALITY AS each
    CROSS JOIN LATERAL jsonb_array_elements(each.value -> 'vaults') AS line
    GROUP BY 1, 2
  ) AS summed
), '[]');
"""


def upgrade() -> None:
    """Add the indexes and the sums."""
    op.execute(INDEXES)
    op.execute(SUMS)
