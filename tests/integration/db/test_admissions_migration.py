"""What was asked for before admissions had a table counts afterwards as it did before."""

from __future__ import annotations

from sqlalchemy import text

from tests.integration.db.upgrading import upgraded
from tests.support.servers import FreshDatabase

BEFORE = """
SET session_replication_role = replica;
INSERT INTO intents (digest, kind, document, request_hash, request_signature, requester, idempotency_key, client_id,
  decision, state, not_after, created_at)
SELECT 'digest ' || place, 'withdrawal', '{}', '', '{}', 'exchange', 'key ' || place, 'acme', '{}', 'approved', now(),
  now() FROM generate_series(1, 5) place;
INSERT INTO withdrawals (id, digest, client_id, vault_id, chain, asset, units, max_fee_units, destination, locator,
  state, facts, requested_at, state_since)
SELECT 'wdr_' || place, 'digest ' || place, 'acme', 'v', 'c', 'c/slip44:0', 100 + place, 1, 'to', '', state,
  jsonb_build_object('kind', 'withdrawal', 'requester', 'exchange', 'client', 'acme', 'asset', 'BTC',
    'destination_text', 'to', 'amount_units', (100 + place)::text),
  timestamptz '2026-01-01' - place * interval '1 hour', timestamptz '2026-01-02'
FROM unnest(ARRAY['approved', 'completed', 'cancelled', 'denied', 'broadcast']) WITH ORDINALITY AS each (state, place);
"""


def test_takes_over_withdrawals_in_the_order_they_were_asked_for(database: FreshDatabase) -> None:
    with upgraded(database, over="0020", rows=BEFORE) as connection:
        query = "SELECT digest, client, destination, asset, requester, units, ended_at IS NULL, released"
        rows = connection.execute(text(f"{query} FROM admissions ORDER BY sequence")).all()
    common = ("acme", "to", "BTC", "exchange")
    assert [tuple(row) for row in rows] == [
        ("digest 5", *common, 105, True, False),
        ("digest 3", *common, 103, True, True),
        ("digest 2", *common, 102, False, False),
        ("digest 1", *common, 101, True, False),
    ]
