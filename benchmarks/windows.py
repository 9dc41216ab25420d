"""What it costs to decide beside ever more history: ``python -m benchmarks.windows [--quick]``.

One request is decided under a document that counts per client, destination, asset, requester and for everyone, in
units, dollars and number, by limits and by totals. The same 200 past requests lie inside the windows; before them lie
10^3 to 10^6 (10^5 with ``--quick``) that are done, or released, and forgotten. First the answer is compared with the
policy's own count of the same requests in memory. Then statements are counted as they leave for Postgres, and rows as
Postgres counts them for the table (index fetches and sequential reads). Statements must be the same at every size, and
rows at the largest at most 1.2 times those at any smaller one (there are more at the smallest, where it is cheapest to
read whole tables); exits 1 if not.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event, text

from custody.db import Database
from custody.db.migrations.run import upgrade
from custody.windows import operations as windows
from demo.servers import Postgres
from policies.decision import Decision
from policies.document import load_document
from policies.engine import evaluate
from policies.facts import Facts
from policies.windows import PastRequest, measure

SIZES, QUICK_SIZES = (1_000, 10_000, 100_000, 1_000_000), (1_000, 10_000, 100_000)
INSIDE = 200
FLAT = 1.2
"""Rows read beside more history, times those beside less: not more than this is no growth."""
REPEATS = 20
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
POLICY = load_document("""policy: windows
version: 1
groups: {operators: [alice, bob], risk: [dan]}
rules:
  - permit: listed destinations
    match: {kind: withdrawal, destination: listed, client.status: active}
    limit: {per: client, window: 24h, usd: 2_000_000}
  - permit: a few first-time destinations
    match: {kind: withdrawal, destination: new, usd: {at_most: 1_000}}
    limit: {per: client, window: 24h, count: 50}
  - require: two for much to one destination
    match: {kind: withdrawal, total: {per: destination, window: 24h, usd: {above: 500_000}}}
    approvals: {operators: 2}
  - require: risk for much of one asset
    match: {kind: withdrawal, total: {per: asset, window: 24h, amount: {above: "100 BTC"}}}
    approvals: {risk: 1}
  - require: two where one back end asks often
    match: {kind: withdrawal, total: {per: requester, window: 1h, count: {above: 500}}}
    approvals: {operators: 2}
  - forbid: more than the house moves in a day
    match: {kind: withdrawal, total: {per: everyone, window: 24h, usd: {above: 50_000_000}}}
""")

FILL = """
INSERT INTO admissions (digest, client, destination, asset, requester, units, usd_micros, facts, ended_at, released)
SELECT md5('old ' || n), 'cl_' || n % 50, 'to_' || n % 500, 'BTC', 'exchange', 1000000, 600000000,
  jsonb_build_object('kind', 'withdrawal', 'requester', 'exchange', 'now', '2026-10-01T00:00:00.000000Z', 'client',
    'cl_' || n % 50, 'client_status', 'active', 'asset', 'BTC', 'decimals', '8', 'destination', 'listed',
    'destination_text', 'to_' || n % 500, 'amount_units', '1000000', 'usd_micros', '600000000', 'price_state', 'fresh'),
  timestamptz '2026-11-20T00:00:00Z' - n * interval '20 seconds', n % 10 = 0
FROM generate_series(1, {size}) n
"""


@dataclass(frozen=True)
class Cost:
    """Of one decision beside ``history`` past requests that windows have forgotten."""

    history: int
    statements: int
    rows: int
    milliseconds: float


def main() -> int:
    """Measure at every size and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="up to 100,000 past requests")
    sizes = QUICK_SIZES if parser.parse_args().quick else SIZES
    with tempfile.TemporaryDirectory(prefix="custody-bench-") as folder:
        Path(folder).chmod(0o711)
        server = Postgres(Path(folder))
        try:
            server.start()
            costs = [measured(server, size) for size in sizes]
        finally:
            server.destroy()
    return report(costs)


def report(costs: list[Cost]) -> int:
    """Print; 0 when statements and rows are flat."""
    print(
        f"deciding one withdrawal beside {INSIDE} past requests inside the windows, answers as the policy's own count"
    )
    print(f"{'past requests':>14} {'statements':>11} {'rows read':>10} {'ms':>8}")
    for cost in costs:
        print(f"{cost.history:>14,} {cost.statements:>11} {cost.rows:>10} {cost.milliseconds:>8.1f}")
    small, large = costs[0], costs[-1]
    same = len({cost.statements for cost in costs}) == 1
    flat = same and large.rows <= FLAT * min(cost.rows for cost in costs)
    print(
        f"ratio {large.history:,} to {small.history:,}: statements {large.statements / small.statements:.2f}, "
        f"rows {large.rows / small.rows:.2f}, time {large.milliseconds / small.milliseconds:.2f}"
        f" -> {'flat' if flat else 'NOT FLAT'}"
    )
    return 0 if flat else 1


def measured(server: Postgres, size: int) -> Cost:
    """Fill a database, compare the answer, and measure."""
    name = f"windows_{size}"
    owner_url, app_url = server.create_database(name)
    upgrade(owner_url)
    inside = [past(number) for number in range(INSIDE)]
    owner = Database(server.url("postgres", name), pool_size=1)
    with owner.unit() as unit:
        # Admissions of intents that nobody filed: the windows read nothing else.
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        unit.session.execute(text(FILL.format(size=size)))
        for number, each in enumerate(inside):
            windows.admit(unit.session, digest=f"inside {number}", facts=each.facts)
            if number % 2:
                windows.finish(unit.session, digest=f"inside {number}", now=each.at)
    with owner.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE admissions"))
    owner.dispose()
    database = Database(app_url, pool_size=1)
    try:
        return _measured(server, name, database, size, inside)
    finally:
        database.dispose()


def past(number: int) -> PastRequest:
    """A request inside every window that forgets after a day, half of them done and half on their way."""
    at = NOW - timedelta(seconds=60 * number)
    facts = asked(
        now=at,
        client=f"cl_{number % 4}",
        destination_text=f"to_{number % 8}",
        destination="new" if number % 3 else "listed",
        amount_units=1_000_000 + number,
        usd_micros=600_000_000 + number,
    )
    return PastRequest(facts, at if number % 2 else NOW, released=False)


def asked(**changes: Any) -> Facts:
    """The request that is decided, or one like it."""
    known: dict[str, Any] = {
        "kind": "withdrawal", "requester": "exchange", "now": NOW, "client": "cl_1", "client_status": "active",
        "segregation": "segregated", "asset": "BTC", "decimals": 8, "chain": "bip122:0", "destination": "listed",
        "destination_text": "to_1", "amount_units": 2_000_000, "usd_micros": 1_200_000_000, "price_state": "fresh",
        "screening": "clear", "collateral": "none", "vault_break": "none", "books_age_seconds": 60,
    }  # fmt: skip
    return Facts(**{**known, **changes})


def _measured(server: Postgres, name: str, database: Database, size: int, inside: list[PastRequest]) -> Cost:
    expected = evaluate(POLICY, asked(), measure(POLICY, asked(), inside))
    costs = [_one(server, name, database, expected) for _ in range(REPEATS)]
    # The first opens the connection and plans every statement.
    statements, rows, times = zip(*costs[1:], strict=True)
    return Cost(size, statistics.median_high(statements), statistics.median_high(rows), statistics.median(times))


def _one(server: Postgres, name: str, database: Database, expected: Decision) -> tuple[int, int, float]:
    before, seen = _rows_read(server, name), list[str]()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    with database.unit() as unit:
        event.listen(database.engine, "before_cursor_execute", note)
        began = time.perf_counter()
        found = windows.decide(unit.session, policy=POLICY, facts=asked())
        spent = (time.perf_counter() - began) * 1000
        event.remove(database.engine, "before_cursor_execute", note)
    if found != expected:
        raise SystemExit("the database counted something else than the policy does: nothing was measured")
    with database.unit() as unit:
        unit.session.execute(text("SELECT pg_stat_force_next_flush()"))
    return len(seen), _rows_read(server, name) - before, spent


def _rows_read(server: Postgres, name: str) -> int:
    with server.connect(name) as connection:
        row = connection.execute(
            "SELECT coalesce(idx_tup_fetch, 0) + seq_tup_read FROM pg_stat_user_tables WHERE relname = 'admissions'"
        ).fetchone()
    assert row is not None
    return int(str(row[0]))


if __name__ == "__main__":
    sys.exit(main())
