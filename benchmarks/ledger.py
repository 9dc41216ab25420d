"""The ledger beside a bare SQL ledger, interleaved on one Postgres: ``python -m benchmarks.ledger [--quick]``.

The bare call is what a ledger costs that checks nothing: two bigint entries with a running balance, one function
call a transfer, accounts may overdraw, a repeated key is an error, no body is compared, no reason asked for. Ours
has every constraint on. Both go through psycopg on 8 connections with fsync on; only ratios of one run mean
anything, so each round runs every way once and ratios are taken per round. Results are checked before and after:
the same transfers give the same balances, and the books balance.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from custody.db import Database
from custody.db.migrations.run import upgrade
from custody.ledger.invariants import check
from custody.ledger.model import AccountKind, AccountRef, Entry, Posting, Reason
from custody.ledger.operations import post, post_batch
from demo.servers import Postgres

CONNECTIONS = 8
ACCOUNTS = 10_000
BATCH = 100
ASSET = "bip122:regtest/slip44:0"
FUNDS = 10**18
START = datetime(2026, 1, 1, tzinfo=UTC)

BARE = """
CREATE SCHEMA bare;
CREATE TABLE bare.account (id bigint PRIMARY KEY, balance bigint NOT NULL DEFAULT 0, version bigint NOT NULL DEFAULT 0)
  WITH (fillfactor = 70);
CREATE TABLE bare.transfer (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key uuid NOT NULL UNIQUE,
  debit bigint NOT NULL REFERENCES bare.account, credit bigint NOT NULL REFERENCES bare.account,
  units bigint NOT NULL CHECK (units > 0), at timestamptz NOT NULL DEFAULT now(), CHECK (debit <> credit));
CREATE TABLE bare.entry (
  account bigint NOT NULL, version bigint NOT NULL, transfer bigint NOT NULL, units bigint NOT NULL,
  balance bigint NOT NULL, PRIMARY KEY (account, version));
INSERT INTO bare.account (id) SELECT generate_series(1, 10000);

CREATE FUNCTION bare.post_one(key uuid, debit bigint, credit bigint, units bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE made bigint; low bigint := least(debit, credit); high bigint := greatest(debit, credit);
  low_units bigint := CASE WHEN debit < credit THEN -units ELSE units END;
  low_after bigint; low_step bigint; high_after bigint; high_step bigint;
BEGIN
  UPDATE bare.account SET balance = balance + low_units, version = version + 1 WHERE id = low
    RETURNING balance, version INTO low_after, low_step;
  UPDATE bare.account SET balance = balance - low_units, version = version + 1 WHERE id = high
    RETURNING balance, version INTO high_after, high_step;
  INSERT INTO bare.transfer (key, debit, credit, units) VALUES (key, debit, credit, units) RETURNING id INTO made;
  INSERT INTO bare.entry VALUES (low, low_step, made, low_units, low_after),
    (high, high_step, made, -low_units, high_after);
  RETURN made;
END $$;

CREATE FUNCTION bare.post_many(keys uuid[], debits bigint[], credits bigint[], amounts bigint[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE made bigint;
BEGIN
  PERFORM 1 FROM bare.account WHERE id = ANY (debits || credits) ORDER BY id FOR UPDATE;
  WITH transfers AS (
    INSERT INTO bare.transfer (key, debit, credit, units) SELECT * FROM unnest(keys, debits, credits, amounts)
    ON CONFLICT (key) DO NOTHING RETURNING id, debit, credit, units
  ), lines AS (
    SELECT id, debit AS account, -units AS units FROM transfers UNION ALL SELECT id, credit, units FROM transfers
  ), entries AS (
    INSERT INTO bare.entry
    SELECT a.id, a.version + row_number() OVER w, l.id, l.units, a.balance + sum(l.units) OVER w
    FROM lines l JOIN bare.account a ON a.id = l.account WINDOW w AS (PARTITION BY l.account ORDER BY l.id)
  ), moved AS (
    UPDATE bare.account a SET balance = a.balance + s.units, version = a.version + s.steps
    FROM (SELECT account, sum(units) AS units, count(*) AS steps FROM lines GROUP BY account) s WHERE a.id = s.account
  ) SELECT count(*) INTO made FROM transfers;
  RETURN made;
END $$;
"""

BARE_ONE = "SELECT bare.post_one(%s, %s, %s, %s)"
BARE_MANY = "SELECT bare.post_many(%s, %s, %s, %s)"
OURS_ONE = (
    "SELECT ledger_post_two(%s, %s, 'internal_transfer', 'benchmark', 'benchmark', %s::jsonb, NULL, %s,"
    " %s, %s::numeric, 'available', %s, '', 'available', %s, '')"
)
OURS_MANY = (
    "SELECT ledger_post(%s, %s, %s, %s, %s, %s::jsonb[], %s::bigint[], %s::int[], %s, %s::int[], %s::int[],"
    " %s, %s, %s, %s, %s::numeric[])"
)


@dataclass(frozen=True)
class Transfer:
    """One transfer between two of the accounts, under its own key."""

    key: bytes
    debit: int
    credit: int
    units: int


@dataclass(frozen=True)
class Way:
    """One way to post, on ten thousand accounts or always debiting the same one."""

    name: str
    hot: bool
    run: Callable[[str, Callable[[], Transfer], Callable[[], bool]], int]


def main() -> int:
    """Run it and print the ratios; 1 when a goal was missed or some books do not balance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round: does it run, not how fast")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rounds, seconds = (1, 1.0) if options.quick else (options.rounds, options.seconds)
    with tempfile.TemporaryDirectory(prefix="custody-bench-") as folder:
        Path(folder).chmod(0o711)
        server = Postgres(Path(folder))
        try:
            server.start()
            return measure(server, rounds, seconds)
        finally:
            server.destroy()


def measure(server: Postgres, rounds: int, seconds: float) -> int:
    """Set up both ledgers, check that they agree, run the rounds, print."""
    owner_url, app_url = server.create_database("bench")
    upgrade(owner_url)
    owner, app = plain(owner_url), plain(app_url)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(BARE)
    fund(app_url)
    agree(owner, app)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        print(f"fsync {shown(connection, 'fsync')}, synchronous_commit {shown(connection, 'synchronous_commit')}")
    rates: dict[tuple[str, bool], list[float]] = {}
    for number in range(rounds):
        for way in WAYS if number % 2 == 0 else reversed(WAYS):
            url = owner if way.name.startswith("bare") else app_url if "Python" in way.name else app
            rates.setdefault((way.name, way.hot), []).append(rate(way, url, seconds))
        if not (bare_balances(owner) and ours_balances(app_url)):
            print("BOOKS DO NOT BALANCE")
            return 1
    return report(rates)


def rate(way: Way, url: str, seconds: float) -> float:
    """Transfers a second over all connections; every worker is connected and warm before the clock starts."""
    context = multiprocessing.get_context("fork")
    ready, counts = context.Barrier(CONNECTIONS + 1), context.Queue()

    def work() -> None:
        chance = random.Random(os.urandom(8))
        deadline: list[float] = []

        def again() -> bool:
            if not deadline:
                ready.wait(60)
                deadline.append(time.monotonic() + seconds)
            return time.monotonic() < deadline[0]

        counts.put(way.run(url, lambda: chosen(chance, hot=way.hot), again))

    workers = [context.Process(target=work) for _ in range(CONNECTIONS)]
    for worker in workers:
        worker.start()
    ready.wait(60)
    began = time.monotonic()
    total = sum(counts.get(timeout=seconds + 60) for _ in workers)
    spent = time.monotonic() - began
    for worker in workers:
        worker.join()
    return float(total / spent)


def chosen(chance: random.Random, *, hot: bool) -> Transfer:
    """A random transfer; a hot one always debits account 1."""
    debit = 1 if hot else chance.randint(1, ACCOUNTS)
    credit = chance.randint(2, ACCOUNTS - 1)
    return Transfer(os.urandom(16), debit, credit if credit != debit else ACCOUNTS, chance.randint(1, 10**8))


def bare_single(url: str, pick: Callable[[], Transfer], again: Callable[[], bool]) -> int:
    """One call and one commit a transfer."""
    done = 0
    with psycopg.connect(url, autocommit=True) as connection:
        while again():
            connection.execute(BARE_ONE, bare_arguments(pick()), prepare=True)
            done += 1
    return done


def bare_batch(url: str, pick: Callable[[], Transfer], again: Callable[[], bool]) -> int:
    """One call and one commit a hundred transfers."""
    done = 0
    with psycopg.connect(url, autocommit=True) as connection:
        while again():
            connection.execute(BARE_MANY, bare_batch_arguments([pick() for _ in range(BATCH)]), prepare=True)
            done += BATCH
    return done


def ours_single(url: str, pick: Callable[[], Transfer], again: Callable[[], bool]) -> int:
    """One call and one commit a transfer, through the function that ``post`` calls."""
    done = 0
    with psycopg.connect(url, autocommit=True) as connection:
        while again():
            connection.execute(OURS_ONE, our_arguments(pick()), prepare=True)
            done += 1
    return done


def ours_batch(url: str, pick: Callable[[], Transfer], again: Callable[[], bool]) -> int:
    """One call and one commit a hundred transfers, through the function that ``post_batch`` calls."""
    done = 0
    with psycopg.connect(url, autocommit=True) as connection:
        while again():
            connection.execute(OURS_MANY, our_batch_arguments([pick() for _ in range(BATCH)]), prepare=True)
            done += BATCH
    return done


def python_single(url: str, pick: Callable[[], Transfer], again: Callable[[], bool]) -> int:
    """One unit a transfer, through ``post``: the entry is built, checked and hashed, the unit opened and closed."""
    database, done = Database(url, pool_size=1), 0
    with database.unit():
        pass
    while again():
        with database.unit() as unit:
            post(unit.session, entry=as_entry(pick()), now=unit.now)
        done += 1
    database.dispose()
    return done


def python_batch(url: str, pick: Callable[[], Transfer], again: Callable[[], bool]) -> int:
    """One unit a hundred transfers, through ``post_batch``."""
    database, done = Database(url, pool_size=1), 0
    with database.unit():
        pass
    while again():
        with database.unit() as unit:
            post_batch(unit.session, entries=[as_entry(pick()) for _ in range(BATCH)], now=unit.now)
        done += BATCH
    database.dispose()
    return done


WAYS = [
    Way("bare, single", False, bare_single),
    Way("ours, single", False, ours_single),
    Way("ours, single", True, ours_single),
    Way("bare, single", True, bare_single),
    Way("bare, batch of 100", False, bare_batch),
    Way("ours, batch of 100", False, ours_batch),
    Way("ours, batch of 100", True, ours_batch),
    Way("ours, Python, single", False, python_single),
    Way("ours, Python, batch of 100", False, python_batch),
]

# What, numerator, denominator, goal.
GOALS = [
    ("a transfer a call / bare call", ("ours, single", False), ("bare, single", False), 0.5),
    ("batches of 100 / bare call", ("ours, batch of 100", False), ("bare, single", False), 2.0),
    ("batches, one hot account / 10,000", ("ours, batch of 100", True), ("ours, batch of 100", False), 0.8),
    ("single, one hot account / 10,000", ("ours, single", True), ("ours, single", False), 0.5),
    ("bare single, hot / 10,000", ("bare, single", True), ("bare, single", False), None),
    ("batches of 100 / bare batches", ("ours, batch of 100", False), ("bare, batch of 100", False), None),
    ("Python post / bare call", ("ours, Python, single", False), ("bare, single", False), None),
    ("Python post_batch / bare call", ("ours, Python, batch of 100", False), ("bare, single", False), None),
]


def report(rates: dict[tuple[str, bool], list[float]]) -> int:
    """Rates, then ratios per round: median, spread, goal; 1 when a goal was missed."""
    missed = 0
    print(f"\n{'way':28} {'accounts':>9} {'transfers/s':>12}   spread")
    for (name, hot), found in rates.items():
        accounts = "one hot" if hot else f"{ACCOUNTS:,}"
        print(f"{name:28} {accounts:>9} {statistics.median(found):12,.0f}   {min(found):,.0f} - {max(found):,.0f}")
    print(f"\n{'ratio':36} {'goal':>6} {'us':>7}   spread")
    for what, ours, other, goal in GOALS:
        found = [mine / theirs for mine, theirs in zip(rates[ours], rates[other], strict=True)]
        middle = statistics.median(found)
        verdict = "" if goal is None else "met" if middle >= goal else "MISSED"
        missed |= verdict == "MISSED"
        wanted = "" if goal is None else f">={goal}"
        print(f"{what:36} {wanted:>6} {middle:6.2f}x   {min(found):.2f} - {max(found):.2f}  {verdict}")
    print("books balance after every round: both ledgers, every account and entry")
    return int(missed)


def agree(owner: str, app: str) -> None:
    """The same thousand transfers, half one by one and half in batches, must give both ledgers the same balances."""
    chance = random.Random(7)
    transfers = [chosen(chance, hot=number % 5 == 0) for number in range(1000)]
    with psycopg.connect(owner, autocommit=True) as bare, psycopg.connect(app, autocommit=True) as ours:
        for transfer in transfers[:500]:
            bare.execute(BARE_ONE, bare_arguments(transfer))
            ours.execute(OURS_ONE, our_arguments(transfer))
        for place in range(500, 1000, BATCH):
            bare.execute(BARE_MANY, bare_batch_arguments(transfers[place : place + BATCH]))
            ours.execute(OURS_MANY, our_batch_arguments(transfers[place : place + BATCH]))
        theirs: dict[int, int] = dict(bare.execute("SELECT id, balance FROM bare.account").fetchall())
        mine = ours.execute("SELECT owner, balance FROM ledger_accounts WHERE kind = 'available'").fetchall()
    assert {owner_of(number): balance + FUNDS for number, balance in theirs.items()} == dict(mine), "they differ"
    print("the same 1,000 transfers gave both ledgers the same 10,000 balances")


def fund(url: str) -> None:
    """Open ten thousand client accounts with more than the benchmark can spend."""
    database = Database(url)
    vault = AccountRef(AccountKind.ONCHAIN, "vlt_bench", ASSET)
    for first in range(1, ACCOUNTS + 1, 1000):
        with database.unit() as unit:
            entries = [
                Entry(
                    f"fund:{number}", Reason.DEPOSIT_CREDITED, f"fund:{number}", "benchmark",
                    (Posting(available(number), FUNDS), Posting(vault, -FUNDS)),
                )
                for number in range(first, first + 1000)
            ]  # fmt: skip
            post_batch(unit.session, entries=entries, now=unit.now)
    database.dispose()


def as_entry(transfer: Transfer) -> Entry:
    """The transfer as the ledger's own value."""
    return Entry(
        key=transfer.key.hex(),
        reason=Reason.INTERNAL_TRANSFER,
        subject="benchmark",
        actor="benchmark",
        postings=(
            Posting(available(transfer.debit), -transfer.units),
            Posting(available(transfer.credit), transfer.units),
        ),
        authorised_by={owner_of(transfer.debit): "benchmark"},
    )


def bare_arguments(transfer: Transfer) -> tuple[Any, ...]:
    return (transfer.key.hex(), transfer.debit, transfer.credit, transfer.units)


def bare_batch_arguments(transfers: list[Transfer]) -> tuple[Any, ...]:
    return (
        array(t.key.hex() for t in transfers), array(t.debit for t in transfers),
        array(t.credit for t in transfers), array(t.units for t in transfers),
    )  # fmt: skip


def our_arguments(transfer: Transfer) -> tuple[Any, ...]:
    return (
        transfer.key.hex(), hashlib.sha256(transfer.key).digest(), authority(transfer), START, ASSET,
        str(transfer.units), owner_of(transfer.debit), owner_of(transfer.credit),
    )  # fmt: skip


def our_batch_arguments(transfers: list[Transfer]) -> tuple[Any, ...]:
    count = len(transfers)
    same = array(["benchmark"] * count)
    return (
        array(t.key.hex() for t in transfers), [hashlib.sha256(t.key).digest() for t in transfers],
        array(["internal_transfer"] * count), same, same,
        [authority(t) for t in transfers], array(["NULL"] * count), array([2] * count), START,
        array(place // 2 + 1 for place in range(2 * count)), array([1, 2] * count),
        array(["available"] * 2 * count), array(owner_of(n) for t in transfers for n in (t.debit, t.credit)),
        array(['""'] * 2 * count), array([ASSET] * 2 * count),
        array(units for t in transfers for units in (-t.units, t.units)),
    )  # fmt: skip


def bare_balances(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT (SELECT sum(balance) FROM bare.account) = 0 AND NOT EXISTS (SELECT FROM bare.account a LEFT JOIN"
            " (SELECT account, sum(units) AS units, count(*) AS steps FROM bare.entry GROUP BY 1) e ON e.account = a.id"
            " WHERE a.balance <> coalesce(e.units, 0) OR a.version <> coalesce(e.steps, 0))"
        ).fetchone() == (True,)


def ours_balances(url: str) -> bool:
    database = Database(url)
    with database.unit() as unit:
        found = check(unit.session)
    database.dispose()
    for violation in found:
        print(violation)
    return not found


def available(number: int) -> AccountRef:
    return AccountRef(AccountKind.AVAILABLE, owner_of(number), ASSET)


def owner_of(number: int) -> str:
    return f"cli_{number:026d}"


def authority(transfer: Transfer) -> str:
    return f'{{"{owner_of(transfer.debit)}": "benchmark"}}'


def array(values: Any) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


def shown(connection: psycopg.Connection[Any], setting: str) -> str:
    row = connection.execute(f"SHOW {setting}").fetchone()
    return "" if row is None else str(row[0])


if __name__ == "__main__":
    sys.exit(main())
