"""A withdrawal reads no more rows beside four times the history, with plans for its values and for any values.

The history is the client's own: finished withdrawals with everything they leave behind. Rows are counted by Postgres
itself, and tables are analysed after loading, as autovacuum does in life.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from tests.cosigner.builders import KEYSET, address
from tests.integration.deposits.world import as_superuser
from tests.support.road import Road, btc
from tests.support.roads import road
from tests.support.servers import FreshDatabase

__all__ = ["road"]

SOME, MANY = 1_000, 4_000
FLAT = 1.2
DESTINATION = address("always the same")

OLD = """
INSERT INTO intents SELECT 'old ' || n, 'withdrawal', '{{}}', '', '{{}}', 'exchange', 'old ' || n, '{client}', '{{}}',
  'approved', now(), NULL, now(), now() FROM generate_series({first}, {last}) n;
INSERT INTO approvals (digest, approver, verdict, nonce, document, given_at, not_after)
SELECT 'old ' || n, 'alice', 'approve', 'old ' || n, '{{}}', now(), now()
FROM generate_series({first}, {last}) n;
INSERT INTO withdrawals SELECT 'wdr_' || n, 'old ' || n, '{client}', '{vault}', '{chain}', '{asset}', 1000000, 20000,
  '{destination}', '', NULL, 'completed', NULL, '{{}}', now() - interval '2 days', now() - interval '2 days', 500,
  'old ' || n FROM generate_series({first}, {last}) n;
INSERT INTO withdrawal_transitions SELECT 'wdr_' || n, step, '', '', '', '', now()
FROM generate_series({first}, {last}) n, generate_series(1, 7) step;
INSERT INTO attempts SELECT 'att_' || n, 'wdr_' || n, 1, '{chain}', '{vault}', '[]', NULL, '', 'old ' || n, 500, 200,
  'confirmed', '', now(), now(), -1000 FROM generate_series({first}, {last}) n;
INSERT INTO bundles SELECT 'bnd_' || n, 'att_' || n, '{keyset}', '{vault}', 2, 3, '{{}}', '', '[]', 'complete', '',
  'old ' || n, now(), now(), 1 FROM generate_series({first}, {last}) n;
INSERT INTO bundle_answers SELECT 'bnd_' || n, cosigner, 'signed', '[]', NULL, now()
FROM generate_series({first}, {last}) n, unnest(ARRAY['north', 'south', 'east']) cosigner;
INSERT INTO addresses (vault_id, change, index, locator, address, state, client_id, seal, derived_at, issued_at)
SELECT '{vault}', change, 1000000 + n, sha256((n || change::text)::bytea), 'old ' || n || change, 'issued', '{client}',
  '', now(), now() FROM generate_series({first}, {last}) n, unnest(ARRAY[false, true]) change;
INSERT INTO coins SELECT '{chain}', 'in ' || n, 0, '{vault}', 0, false, '', 1000500, false, -1000, 'old', 'old ' || n,
  -1000, 'old', '{asset}' FROM generate_series({first}, {last}) n;
INSERT INTO movements (chain, direction, vault_id, address_id, change, own_spend, coinbase, txid, position, spent_by,
  asset, units, height, block_hash, seen_at)
SELECT '{chain}', direction, '{vault}', 0, false, false, false, 'in ' || n, 0,
  CASE direction WHEN 'out' THEN 'old ' || n END, '{asset}', 1000500, -1000, 'old', now()
FROM generate_series({first}, {last}) n, unnest(ARRAY['in', 'out']) direction;
UPDATE deposit_progress SET change_id = (SELECT max(change_id) FROM movements);
INSERT INTO deposits SELECT 'dep_' || n, '{chain}', 'in ' || n, 0, '{vault}', '{client}', 0, '{asset}', 1000500, false,
  'credited', 2, 1, 3, -1000, 'old', 1, NULL, false, now(), now(), now() FROM generate_series({first}, {last}) n;
INSERT INTO outbox (topic, payload, correlation_id, created_at, due_at, attempts, done_at)
SELECT 'old', '{{}}', '', now(), now(), 1, now() FROM generate_series({first}, {last}) n, generate_series(1, 6) m;
INSERT INTO blocks SELECT '{chain}', -n, 'old', 'old', now() FROM generate_series({first}, {last}) n
"""


@pytest.mark.parametrize("plans", ["auto", "force_generic_plan"])
def test_a_withdrawal_reads_no_more_beside_more_history(road: Road, database: FreshDatabase, plans: str) -> None:
    as_superuser(database, f"ALTER DATABASE {database.name} SET plan_cache_mode = {plans}")
    road.db.dispose()
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    remember(road, database, 1, SOME)
    withdraw(road, database)
    before = withdraw(road, database)
    remember(road, database, SOME + 1, MANY)
    after = withdraw(road, database)
    grown = {step: (rows, after[step]) for step, rows in before.items() if after[step] > FLAT * rows + 20}
    assert grown == {}


def withdraw(road: Road, database: FreshDatabase) -> dict[str, int]:
    """One withdrawal from the request to the books: the rows read in each step."""
    steps: dict[str, Callable[[], object]] = {
        "ask": lambda: road.ask("acme", btc("0.02"), destination=DESTINATION),
        "compose": lambda: road.settle(cosigners=()),
        "sign": lambda: road.cosign("north", "south"),
        "send": lambda: road.settle(),
        "confirm": lambda: road.mine(),
        "complete": lambda: road.mine(),
    }
    rows = {name: rows_read(road, database, step) for name, step in steps.items()}
    assert road.rows("SELECT count(*) FROM withdrawals WHERE state <> 'completed'") == [(0,)]
    return rows


def rows_read(road: Road, database: FreshDatabase, step: Callable[[], object]) -> int:
    """How many rows Postgres read in ``step``, by its own count."""
    before = count(road, database)
    step()
    return count(road, database) - before


def count(road: Road, database: FreshDatabase) -> int:
    """Rows read since the database was made. What the house's connection counted is published first."""
    road.rows("SELECT pg_stat_force_next_flush()")
    with psycopg.connect(database.superuser_url.replace("+psycopg", "")) as connection:
        row = connection.execute(
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables"
        ).fetchone()
    assert row is not None
    return int(row[0])


def remember(road: Road, database: FreshDatabase, first: int, last: int) -> None:
    """Write what withdrawals numbered ``first`` to ``last`` would have left behind. It is past, so no trigger fires."""
    where = {
        "client": "acme", "vault": road.vaults["acme"], "chain": road.runtime.only.chain, "keyset": KEYSET,
        "asset": road.runtime.only.addressing.native.id, "destination": DESTINATION, "first": first, "last": last,
    }  # fmt: skip
    as_superuser(database, *OLD.format(**where).split(";"))
    as_superuser(database, "ANALYZE")
