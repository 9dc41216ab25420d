"""What one block costs to record as issued addresses grow: ``python -m benchmarks.scan [--quick]``.

The same blocks (2,500 transactions, 20 of their outputs ours) are recorded on databases with 1,000 and 100,000
issued addresses. Statements are counted as they leave for Postgres; rows read are what Postgres itself counts for
the tables of the road (index fetches and sequential reads). Both must be the same at both sizes; exits 1 if not.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import event, text

from custody.chains.bitcoin.offline.network import network
from custody.chains.port import Block, ChainTransaction, Credit, Debit
from custody.db import Database
from custody.db.migrations.run import upgrade
from custody.movements import operations, queries
from custody.movements.model import Tip
from demo.servers import Postgres

CHAIN, ASSET = network("regtest").chain, network("regtest").asset.id
TRANSACTIONS = 2_500
OURS = 20
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = ("addresses", "blocks", "coins", "movements", "scan_progress")

FILL = f"""
INSERT INTO clients VALUES ('acme', 'Acme', 'segregated', 'active', NULL, now(), '', now());
INSERT INTO keysets VALUES ('kst', '{CHAIN}', 2, '{{}}', '', '[]', now());
INSERT INTO vaults (id, keyset_id, branch, chain, kind, opened_at)
VALUES ('kst/1', 'kst', 1, '{CHAIN}', 'segregated', now());
"""
FILL_ADDRESSES = """
INSERT INTO addresses (vault_id, change, index, locator, address, state, client_id, seal, derived_at, issued_at)
SELECT 'kst/1', false, n, '\\x0020'::bytea || sha256(('ours ' || n)::bytea), 'bcrt1q' || n, 'issued', 'acme', '', now(),
  now()
FROM generate_series(0, %s) AS n
"""


@dataclass(frozen=True)
class Cost:
    """Per block: statements, rows read, and the median time."""

    addresses: int
    statements: int
    rows: int
    milliseconds: float


def main() -> int:
    """Run at both sizes and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="fewer blocks")
    blocks = 5 if arguments.parse_args().quick else 20
    with tempfile.TemporaryDirectory(prefix="custody-bench-") as folder:
        Path(folder).chmod(0o711)
        server = Postgres(Path(folder))
        try:
            server.start()
            costs = [measure(server, addresses, blocks) for addresses in (1_000, 100_000)]
        finally:
            server.destroy()
    return report(costs)


def report(costs: list[Cost]) -> int:
    """Print; 0 when statements and rows are flat."""
    print(f"recording a block of {TRANSACTIONS} transactions, {OURS} outputs ours, half of them spent in the next")
    print(f"{'issued addresses':>18} {'statements':>11} {'rows read':>10} {'ms':>8}")
    for cost in costs:
        print(f"{cost.addresses:>18,} {cost.statements:>11} {cost.rows:>10} {cost.milliseconds:>8.1f}")
    small, large = costs
    flat = (small.statements, small.rows) == (large.statements, large.rows)
    print(
        f"ratio 100,000 to 1,000: statements {large.statements / small.statements:.2f}, "
        f"rows {large.rows / small.rows:.2f}, time {large.milliseconds / small.milliseconds:.2f}"
        f" -> {'flat' if flat else 'NOT FLAT'}"
    )
    return 0 if flat else 1


def measure(server: Postgres, addresses: int, blocks: int) -> Cost:
    """Record ``blocks`` blocks beside ``addresses`` issued ones; medians of the counts and times of one."""
    name = f"scan_{addresses}"
    owner_url, app_url = server.create_database(name)
    upgrade(owner_url)
    with server.connect(name) as connection:
        connection.execute(FILL)
        connection.execute(FILL_ADDRESSES.replace("%s", str(addresses - 1)))
    with psycopg.connect(server.url("postgres", name).replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE addresses")
    database = Database(app_url, pool_size=1)
    try:
        return _median(addresses, [_one(database, server, name, height) for height in range(1, blocks + 1)])
    finally:
        database.dispose()


def _one(database: Database, server: Postgres, name: str, height: int) -> tuple[int, int, float]:
    block = make_block(height)
    with database.unit() as unit:
        tip = queries.tip(unit.session, chain=CHAIN)
    before = _rows_read(server, name)
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    started = time.perf_counter()
    _record(database, block, tip)
    elapsed = time.perf_counter() - started
    event.remove(database.engine, "before_cursor_execute", note)
    with database.unit() as unit:
        unit.session.execute(text("SELECT pg_stat_force_next_flush()"))
    return len(statements), _rows_read(server, name) - before, elapsed * 1000


def _record(database: Database, block: Block, tip: Tip | None) -> None:
    with database.unit() as unit:
        recorded = operations.record_block(
            unit.session,
            chain=CHAIN,
            block=block,
            expected_tip=tip,
            assets=[ASSET],
            has_coins=True,
            now=MOMENT,
        )
    if recorded.arrivals != OURS:
        raise SystemExit(f"{recorded.arrivals} arrivals were recorded of {OURS} paid: this measures something else")


def _median(addresses: int, measured: list[tuple[int, int, float]]) -> Cost:
    # The first block opens the connection, plans every statement and has no coin to spend.
    counts = measured[1:]
    return Cost(
        addresses,
        statements=statistics.median_high(item[0] for item in counts),
        rows=statistics.median_high(item[1] for item in counts),
        milliseconds=statistics.median(item[2] for item in counts),
    )


def _rows_read(server: Postgres, name: str) -> int:
    with server.connect(name) as connection:
        row = connection.execute(
            "SELECT sum(coalesce(idx_tup_fetch, 0) + seq_tup_read)::bigint FROM pg_stat_user_tables "
            "WHERE relname = ANY(%s)",
            (list(TABLES),),
        ).fetchone()
    assert row is not None
    return int(str(row[0]))


def make_block(height: int) -> Block:
    """Block ``height``: mostly strangers' payments, ``OURS`` to our first addresses, half of the last block's spent."""
    transactions = [_stranger(height, number) for number in range(TRANSACTIONS - OURS)]
    transactions += [_ours(height, number) for number in range(OURS)]
    return Block(height, _name("block", height), _name("block", height - 1), MOMENT, tuple(transactions))


def _stranger(height: int, number: int) -> ChainTransaction:
    txid = _name("tx", height, number)
    debit = Debit(_name("spent", height, number), 0, _script("theirs", height, number, 0), ASSET, 5_000, txid)
    paid = tuple(Credit(place, _script("theirs", height, number, place + 1), ASSET, 2_000) for place in range(2))
    return ChainTransaction(txid, False, (debit,), paid)


def _ours(height: int, number: int) -> ChainTransaction:
    txid = _name("ours", height, number)
    if number % 2 or height == 1:
        debit = Debit(_name("spent", height, number), 0, _script("theirs", height, number, 0), ASSET, 60_000, txid)
    else:
        debit = Debit(_name("ours", height - 1, number + 1), 0, _script("ours", number + 1), ASSET, 50_000, txid)
    return ChainTransaction(txid, False, (debit,), (Credit(0, _script("ours", number), ASSET, 50_000),))


def _name(*parts: object) -> str:
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()


def _script(*parts: object) -> bytes:
    return b"\x00\x20" + hashlib.sha256(" ".join(map(str, parts)).encode()).digest()


if __name__ == "__main__":
    sys.exit(main())
