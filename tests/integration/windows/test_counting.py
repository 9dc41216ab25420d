"""The database counts what the policy's own function counts, for any rules and any history."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.db import Database
from custody.windows import operations as windows
from custody.windows.counting import ALL_FACTS, FACTS_READ, Scope, usage_of
from policies.vocabulary import FIELDS
from policies.windows import usage_from, windows_needed
from tests.integration.windows.histories import NOW, Ended, document, facts, history
from tests.support.servers import FreshDatabase

HISTORIES = 25
REQUESTS = 40


@pytest.fixture
def session(database: FreshDatabase) -> Iterator[Session]:
    """A unit without foreign keys, for admissions of intents that nobody filed."""
    owner = Database(database.superuser_url, pool_size=1)
    with owner.unit() as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        yield unit.session
    owner.dispose()


def write(session: Session, past: list[Ended]) -> None:
    session.execute(text("DELETE FROM admissions"))
    for place, each in enumerate(past):
        digest = f"{place:064x}"
        windows.admit(session, digest=digest, facts=each.facts)
        if each.released:
            windows.release(session, digest=digest, now=each.ended_at or NOW)
        elif each.ended_at is not None:
            windows.finish(session, digest=digest, now=each.ended_at)


def test_counts_what_the_policy_counts(session: Session, seed: int) -> None:
    chance, compared, seen = random.Random(seed), 0, 0
    for _ in range(HISTORIES):
        past = history(chance, REQUESTS)
        write(session, past)
        for _ in range(3):
            rules = document(chance)
            asked = facts(chance, kind="withdrawal", client="cl_a", asset="BTC", decimals=8, destination_text="here")
            queries = windows_needed(rules, asked)
            counted = usage_of(session, queries, Scope())
            for query in queries:
                expected = usage_from((each.past(NOW) for each in past), query)
                assert counted(query.rule, query.per, query.window_seconds) == expected, query
                compared, seen = compared + 1, seen + expected.count
    assert compared > 50
    assert seen > 100, "histories that no window sees show nothing"


def test_a_second_look_counts_what_was_admitted_before_it(session: Session, seed: int) -> None:
    chance = random.Random(seed)
    past = history(chance, REQUESTS)
    write(session, past)
    rules = document(chance)
    for place in range(0, REQUESTS, 7):
        asked = facts(chance, kind="withdrawal", client="cl_a", asset="BTC", decimals=8, destination_text="here")
        queries = windows_needed(rules, asked)
        own = f"{place:064x}"
        counted = usage_of(session, queries, Scope(own, windows._place(session, own)))
        for query in queries:
            expected = usage_from((each.past(NOW) for each in past[:place]), query)
            assert counted(query.rule, query.per, query.window_seconds) == expected


def test_the_edge_of_a_window_is_outside_it(session: Session) -> None:
    rules = document(random.Random(1))
    asked = facts(random.Random(1), kind="withdrawal", client="cl_a", asset="BTC", decimals=8)
    for query in windows_needed(rules, asked):
        for late in (timedelta(0), timedelta(microseconds=1)):
            past = [Ended(asked, query.since + late, released=False)]
            write(session, past)
            counted = usage_of(session, [query], Scope())(query.rule, query.per, query.window_seconds)
            assert counted == usage_from((each.past(NOW) for each in past), query)


def test_knows_which_facts_decide_every_field() -> None:
    assert set(FACTS_READ) == set(FIELDS)
    assert {name for names in FACTS_READ.values() for name in names} <= set(ALL_FACTS)
