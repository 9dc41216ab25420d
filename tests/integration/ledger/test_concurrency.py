"""Many at once: what is refused, what stays constant, what nobody ever sees."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest

from custody.db.unit import DatabaseUnavailable, UnitConflict
from custody.ledger.operations import IdempotencyMismatch, hold, post, post_batch
from custody.ledger.operations.posting import locked_balances
from tests.integration.ledger.books import COIN, Books, account, at_once, transfer, units


def test_p028_one_key_a_hundred_times_in_parallel_is_one_hold_and_one_answer(books: Books) -> None:
    books.credit("dep_1", "cli_a", COIN)
    results = at_once([partial(books.hold, "hld_1", "cli_a", 10)] * 100)
    assert {str(result) for result in results} == {str(books.hold("hld_1", "cli_a", 10))}
    assert books.of("cli_a") == (COIN - 10, 10, 0)


def test_p029_one_key_with_two_bodies_in_parallel_has_one_winner(books: Books) -> None:
    books.credit("dep_1", "cli_a", COIN)
    results = at_once([partial(books.hold, "hld_1", "cli_a", 10 + number % 2) for number in range(50)])
    refused = [result for result in results if isinstance(result, Exception)]
    assert {type(error) for error in refused} == {IdempotencyMismatch}
    assert len(refused) == 25
    assert books.of("cli_a")[1] in (10, 11)


def test_accounts_are_opened_once_by_many(books: Books) -> None:
    books.credit("dep_0", "cli_a", COIN)
    acts: list[Callable[[], object]] = []
    for number in range(100):
        entries = [transfer(f"k{number}.{n}", "cli_a", f"cli_n{(number + n) % 20}", 1) for n in range(5)]
        acts.append(partial(books.post_batch, *entries) if number % 2 else partial(books.post, *entries[:1]))
    assert [result for result in at_once(acts) if isinstance(result, Exception)] == []
    assert books.of("cli_a") == (COIN - 50 * 5 - 50, 0, 0)


def test_settling_and_voiding_at_once_ends_one_way(books: Books) -> None:
    for number in range(20):
        books.credit(f"dep_{number}", "cli_a", 10)
        books.hold(f"hld_{number}", "cli_a", 10)
        results = at_once([partial(books.settle, f"hld_{number}", 10), partial(books.void, f"hld_{number}")])
        assert sum(isinstance(result, Exception) for result in results) == 1
    available, held, owed = books.of("cli_a")
    assert (held, owed, available) == (0, 0, books.onchain())


def test_two_units_that_lock_both_ways_are_told_to_run_again(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    books.credit("dep_2", "cli_b", 100)
    meet = threading.Barrier(2)

    def both_ways(key: str, first: str, second: str) -> None:
        with books.db.unit() as unit:
            post(unit.session, entry=transfer(f"{key}1", first, "cli_x" + key, 1), now=unit.now)
            meet.wait(30)
            post(unit.session, entry=transfer(f"{key}2", second, "cli_y" + key, 1), now=unit.now)

    results = at_once([partial(both_ways, "p", "cli_a", "cli_b"), partial(both_ways, "q", "cli_b", "cli_a")])
    assert [type(result) for result in results if isinstance(result, Exception)] == [UnitConflict]


@pytest.mark.parametrize("batch", [False, True])
def test_a_connection_killed_before_its_commit_leaves_nothing(books: Books, batch: bool) -> None:
    books.credit("dep_1", "cli_a", 100)
    before = books.accounts()
    with pytest.raises(DatabaseUnavailable), books.db.unit() as unit:
        count = 50 if batch else 1
        post_batch(unit.session, entries=[transfer(f"k{n}", "cli_a", "cli_b", 1) for n in range(count)], now=unit.now)
        backend = unit.session.connection().connection.dbapi_connection
        assert isinstance(backend, psycopg.Connection)
        with books.sql("superuser") as killer:
            killer.execute("SELECT pg_terminate_backend(%s, 10000)", (backend.info.backend_pid,))
    assert books.accounts() == before
    books.post(transfer("k0", "cli_a", "cli_b", 1))
    assert books.accounts()[account("available", "cli_b")] == (1, 1)


def test_a_reversal_waits_for_a_hold_that_is_being_made(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    with ThreadPoolExecutor(1) as pool:
        with books.db.unit() as unit:
            hold(
                unit.session, hold_id="hld_1", client="cli_a", amount=units(60), subject="wdr_1", actor="t",
                now=unit.now,
            )  # fmt: skip
            reversal = pool.submit(books.undo, "dep_1", "cli_a", 100)
            await_blocked(books)
        result = reversal.result(30)
    assert (result.taken.units, result.deficit.units) == (40, 60)
    assert books.of("cli_a") == (0, 60, 60)


def test_balances_that_were_read_to_be_posted_on_stay_as_they_are(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    with ThreadPoolExecutor(1) as pool:
        with books.db.unit() as unit:
            assert locked_balances(unit.session, [account("available", "cli_a")]) == [100]
            later = pool.submit(books.hold, "hld_1", "cli_a", 60)
            await_blocked(books)
        later.result(30)
    assert books.of("cli_a") == (40, 60, 0)


def await_blocked(books: Books) -> None:
    """Until some backend of this database waits for a lock."""
    deadline = time.monotonic() + 15
    with books.sql("superuser") as connection:
        while not connection.execute(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchall():
            assert time.monotonic() < deadline, "nobody waited for the lock"
            time.sleep(0.01)
