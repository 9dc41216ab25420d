"""What Postgres itself refuses, whoever asks: the application's role, the owner, the superuser."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.integration.ledger.books import ASSET, Books


@pytest.fixture(autouse=True)
def funded(books: Books) -> None:
    books.credit("dep_1", "cli_a", 100)
    books.credit("dep_2", "cli_b", 100)
    books.hold("hld_1", "cli_a", 10)


def entry(connection: psycopg.Connection[Any], *, legs: int = 2, reason: str = "hold", by: str = "{}") -> int:
    row = connection.execute(
        "INSERT INTO journal_entries (key, body_hash, reason, subject, actor, authorised_by, legs, posted_at)"
        " VALUES (gen_random_uuid()::text, decode(repeat('00', 32), 'hex'), %s, 's', 'a', %s, %s, now()) RETURNING id",
        (reason, by, legs),
    ).fetchone()
    assert row is not None
    return int(row[0])


def posting(
    connection: psycopg.Connection[Any], entry_id: int, leg: int, owner: str, kind: str, units: int, *,
    sign: int | None = None, error: int = 0,
) -> None:  # fmt: skip
    row = connection.execute(
        "UPDATE ledger_accounts SET balance = balance + %s, version = version + 1 WHERE owner = %s AND kind = %s"
        " RETURNING id, balance, version, sign",
        (units, owner, kind),
    ).fetchone()
    assert row is not None
    connection.execute(
        "INSERT INTO postings VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (entry_id, leg, row[0], sign or row[3], units, row[1] - units + error, row[1], row[2]),
    )


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO postings SELECT * FROM postings LIMIT 1",
        "INSERT INTO journal_entries (key) VALUES ('k')",
        "UPDATE journal_entries SET actor = 'x'",
        "UPDATE postings SET units = 1",
        "DELETE FROM journal_entries",
        "DELETE FROM postings",
        "TRUNCATE journal_entries, postings",
        "UPDATE ledger_accounts SET balance = balance + 1",
        "INSERT INTO ledger_accounts (kind, owner, asset) VALUES ('available', 'cli_x', 'a')",
        "DELETE FROM ledger_accounts",
        "UPDATE ledger_reasons SET one_client = false",
        "DELETE FROM holds",
        "UPDATE holds SET ceiling = 1",
        "UPDATE holds SET client = 'cli_b'",
        "ALTER TABLE postings DISABLE TRIGGER ALL",
        "DROP TRIGGER check_entry ON journal_entries",
        "SELECT ledger_open(ARRAY['available'], ARRAY['cli_x'], ARRAY[''], ARRAY['a'])",
        "CREATE TABLE pg_temp.postings (LIKE postings)",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SET session_replication_role = replica",
    ],
)
def test_the_application_may_not(books: Books, statement: str) -> None:
    with books.sql("app") as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize("role", ["owner", "superuser"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal_entries SET actor = 'x'",
        "UPDATE postings SET units = units",
        "DELETE FROM postings",
        "DELETE FROM journal_entries",
        "TRUNCATE postings",
        "TRUNCATE journal_entries CASCADE",
        "DELETE FROM ledger_accounts",
        "TRUNCATE ledger_accounts",
        "UPDATE ledger_accounts SET kind = 'receivable' WHERE kind = 'held'",
        "UPDATE ledger_accounts SET owner = 'cli_c' WHERE owner = 'cli_a'",
    ],
)
def test_not_even_the_owner_changes_what_is_booked(books: Books, role: str, statement: str) -> None:
    with books.sql(role) as connection, pytest.raises(errors.InsufficientPrivilege, match="append-only"):
        connection.execute(statement)


@pytest.mark.parametrize("kind", ["available", "held"])
def test_the_owner_cannot_put_a_liability_below_zero(books: Books, kind: str) -> None:
    with books.sql("owner") as connection, pytest.raises(errors.CheckViolation):
        connection.execute("UPDATE ledger_accounts SET balance = -1 WHERE owner = 'cli_a' AND kind = %s", (kind,))


def test_the_owner_cannot_put_a_vault_above_zero(books: Books) -> None:
    with books.sql("owner") as connection, pytest.raises(errors.CheckViolation):
        connection.execute("UPDATE ledger_accounts SET balance = 1 WHERE kind = 'onchain'")


@pytest.mark.parametrize(
    ("kind", "owner", "pledge", "asset"),
    [
        ("spendable", "cli_a", "", ASSET),
        ("available", "house", "", ASSET),
        ("fees", "cli_a", "", ASSET),
        ("pledged", "cli_a", "", ASSET),
        ("available", "cli_a", "plg_1", ASSET),
        ("available", "", "", ASSET),
        ("available", "cli_a", "", ""),
    ],
)
def test_there_is_no_account_of_another_shape(books: Books, kind: str, owner: str, pledge: str, asset: str) -> None:
    with books.sql("owner") as connection, pytest.raises(errors.CheckViolation):
        connection.execute(
            "INSERT INTO ledger_accounts (kind, owner, pledge, asset) VALUES (%s, %s, %s, %s)",
            (kind, owner, pledge, asset),
        )


def test_an_account_is_opened_empty(books: Books) -> None:
    with books.sql("owner") as connection, pytest.raises(errors.CheckViolation):
        connection.execute("INSERT INTO ledger_accounts (kind, owner, asset, balance) VALUES ('held', 'c', 'a', 5)")


def test_a_sound_entry_by_hand_is_accepted(books: Books) -> None:
    with books.sql("owner") as connection, connection.transaction():
        made = entry(connection, reason="internal_transfer", by='{"cli_a": "i"}')
        posting(connection, made, 1, "cli_a", "available", -1)
        posting(connection, made, 2, "cli_b", "available", 1)


def refused_at_commit(books: Books, *, legs: int, reason: str, by: str, lines: list[tuple[str, str, int]]) -> None:
    with books.sql("owner") as connection, pytest.raises(psycopg.Error) as refusal, connection.transaction():
        made = entry(connection, legs=legs, reason=reason, by=by)
        for leg, (owner, kind, units) in enumerate(lines, 1):
            posting(connection, made, leg, owner, kind, units)
    assert refusal.value.sqlstate == "LG003"


@pytest.mark.parametrize(
    ("legs", "lines"),
    [
        (2, []),
        (2, [("cli_a", "available", -1)]),
        (1, [("cli_a", "available", 1)]),
        (2, [("cli_a", "available", -1), ("cli_a", "held", 2)]),
        (3, [("cli_a", "available", -1), ("cli_a", "held", 1)]),
    ],
)
def test_an_entry_that_does_not_balance_is_refused_at_commit(
    books: Books, legs: int, lines: list[tuple[str, str, int]]
) -> None:
    refused_at_commit(books, legs=legs, reason="hold", by="{}", lines=lines)


@pytest.mark.parametrize(
    ("reason", "by", "lines"),
    [
        ("no_such_reason", "{}", [("cli_a", "available", -1), ("cli_a", "held", 1)]),
        ("hold", "{}", [("cli_a", "held", -1), ("cli_a", "available", 1)]),
        ("hold", "{}", [("cli_b", "available", -1), ("cli_a", "held", 1)]),
        ("internal_transfer", "{}", [("cli_a", "available", -1), ("cli_b", "available", 1)]),
        ("internal_transfer", '{"cli_b": "i"}', [("cli_a", "available", -1), ("cli_b", "available", 1)]),
    ],
)
def test_an_entry_its_reason_does_not_permit_is_refused_at_commit(
    books: Books, reason: str, by: str, lines: list[tuple[str, str, int]]
) -> None:
    refused_at_commit(books, legs=2, reason=reason, by=by, lines=lines)


@pytest.mark.parametrize(
    ("entry_id", "leg", "sqlstate"),
    [(1, 3, "LG003"), (1, 2, "23505"), (1, 0, "23514"), (2**40, 1, "LG003")],
    ids=["beyond its legs", "a leg it has", "below one", "no such entry"],
)
def test_nobody_adds_a_leg_to_an_entry_that_is_committed(books: Books, entry_id: int, leg: int, sqlstate: str) -> None:
    with books.sql("owner") as connection, pytest.raises(psycopg.Error) as refusal, connection.transaction():
        posting(connection, entry_id, leg, "cli_a", "available", 1)
    assert refusal.value.sqlstate == sqlstate


def test_a_posting_adds_up_and_has_its_accounts_sign(books: Books) -> None:
    with books.sql("owner") as connection:
        with pytest.raises(errors.CheckViolation), connection.transaction():
            posting(connection, entry(connection), 1, "cli_a", "available", -1, error=1)
        with pytest.raises(errors.CheckViolation), connection.transaction():
            posting(connection, entry(connection), 1, "cli_a", "available", -1, sign=-1)


def test_a_function_the_application_calls_reads_no_table_of_its_caller(books: Books) -> None:
    with books.sql("app") as connection:
        connection.execute("SET search_path = pg_temp, public")
        row = connection.execute(
            "SELECT ledger_lock(ARRAY['available'], ARRAY['cli_a'], ARRAY[''], ARRAY[%s])", (ASSET,)
        ).fetchone()
    assert row is not None
    assert [int(balance) for balance in row[0]] == [90]


def test_the_application_cannot_post_around_the_reasons(books: Books) -> None:
    call = (
        "SELECT ledger_post_two(gen_random_uuid()::text, decode(repeat('00', 32), 'hex'), %s, 's', 'a', '{}', NULL,"
        " now(), %s, 1, 'available', 'cli_a', '', %s, %s, '')"
    )
    with books.sql("app") as connection:
        for reason, kind, owner in (
            ("internal_transfer", "available", "cli_b"),
            ("hold", "held", "cli_b"),
            ("fee_billed", "fees", "house"),
        ):
            with pytest.raises(psycopg.Error) as refusal:
                connection.execute(call, (reason, ASSET, kind, owner))
            assert refusal.value.sqlstate == "LG003"
