"""A batch is checked whole at commit: one wrong entry in it refuses all of it, whoever calls the function."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from psycopg import DatabaseError

from custody.ledger.invariants import check
from tests.integration.ledger.books import Books

CALL = (
    "SELECT ledger_post(%s, %s, %s, %s, %s, %s::jsonb[], %s::bigint[], %s::int[], now(), %s::int[], %s::int[],"
    " %s, %s, %s, %s, %s::numeric[])"
)
GOOD = ("internal_transfer", '{"cli_a": "x"}', [("available", "cli_a", "btc", -5), ("available", "cli_b", "btc", 5)])


def arguments(entries: list[tuple[str, str, list[tuple[str, str, str, int]]]], *, hashed: int = 32) -> list[Any]:
    """Raw arguments of ``ledger_post``: (reason, authority, legs) per entry."""
    legs = [(place, leg, *line) for place, entry in enumerate(entries, 1) for leg, line in enumerate(entry[2], 1)]
    count = range(len(entries))
    return [
        [f"key {number}" for number in count],
        [hashlib.sha256(b"%d" % number).digest()[:hashed] for number in count],
        [reason for reason, _, _ in entries],
        [f"subject {number}" for number in count],
        ["actor" for _ in count],
        [authority for _, authority, _ in entries],
        [None for _ in count],
        [len(lines) for _, _, lines in entries],
        [leg[0] for leg in legs],
        [leg[1] for leg in legs],
        [leg[2] for leg in legs],
        [leg[3] for leg in legs],
        ["" for _ in legs],
        [leg[4] for leg in legs],
        [str(leg[5]) for leg in legs],
    ]


@pytest.fixture
def funded(books: Books) -> Books:
    with books.sql("app") as connection:
        credit = [("onchain", "vlt_a", "btc", -100), ("available", "cli_a", "btc", 100)]
        other = [("onchain", "vlt_a", "eth", -100), ("available", "cli_a", "eth", 100)]
        third = [("onchain", "vlt_b", "btc", -100), ("available", "cli_b", "btc", 100)]
        found = arguments([("deposit_credited", "{}", lines) for lines in (credit, other, third)])
        connection.execute(CALL, [[f"fund {key}" for key in found[0]], *found[1:]])
    return books


WRONG: dict[str, tuple[str, str, list[tuple[str, str, str, int]]]] = {
    "does not balance": ("hold", "{}", [("available", "cli_a", "btc", -5), ("held", "cli_a", "btc", 4)]),
    "balances over two assets only": (
        "internal_transfer",
        '{"cli_a": "x"}',
        [("available", "cli_a", "btc", -5), ("available", "cli_b", "eth", 5)],
    ),
    "has one leg": ("hold", "{}", [("available", "cli_a", "btc", -5)]),
    "has a reason that does not move this": (
        "deposit_credited",
        "{}",
        [("available", "cli_a", "btc", -5), ("available", "cli_b", "btc", 5)],
    ),
    "has no such reason": ("because", "{}", GOOD[2]),
    "mixes two clients": ("hold", "{}", [("available", "cli_a", "btc", -5), ("held", "cli_b", "btc", 5)]),
    "lacks an authority": (
        "internal_transfer",
        "{}",
        [("available", "cli_a", "btc", -5), ("available", "cli_b", "btc", 5)],
    ),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_refuses_all_of_a_batch_with_an_entry_that(
    funded: Books, wrong: tuple[str, str, list[tuple[str, str, str, int]]]
) -> None:
    with pytest.raises(DatabaseError) as refused, funded.sql("app") as connection:
        connection.execute(CALL, arguments([GOOD, wrong]))
    assert refused.value.sqlstate == "LG003"
    with funded.sql("app") as connection:
        assert connection.execute("SELECT count(*) FROM journal_entries").fetchone() == (3,)
    assert funded.run(lambda session, _: check(session)) == []


def test_refuses_a_batch_with_a_hash_that_is_none(funded: Books) -> None:
    with pytest.raises(DatabaseError) as refused, funded.sql("app") as connection:
        connection.execute(CALL, arguments([GOOD], hashed=31))
    assert refused.value.sqlstate == "LG003"


def test_takes_a_batch_in_which_every_entry_is_right(funded: Books) -> None:
    with funded.sql("app") as connection:
        connection.execute(CALL, arguments([GOOD, GOOD]))
        assert connection.execute("SELECT count(*) FROM journal_entries WHERE batched").fetchone() == (5,)
    assert funded.run(lambda session, _: check(session)) == []
