"""What is true of every document and every request, tried on many random ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from random import Random
from typing import Any

from custody.kernel.canonical import canonical_json
from policies.decision import Decision, Obligations, Outcome, explain, stricter
from policies.document import load_document
from policies.engine import evaluate
from policies.facts import Facts
from policies.tally import satisfied
from policies.windows import PastRequest, measure
from tests.properties.policies import worlds

loaded = lru_cache(maxsize=64)(load_document)
ORDER = [Outcome.ALLOW, Outcome.REQUIRE, Outcome.DENY]


def decide(text: str, facts: Facts, before: list[PastRequest]) -> Decision:
    document = loaded(text)
    return evaluate(document, facts, measure(document, facts, before))


def no_stricter(looser: Decision, tighter: Decision) -> bool:
    if looser.outcome is not tighter.outcome:
        return ORDER.index(looser.outcome) < ORDER.index(tighter.outcome)
    return looser.obligations.join(tighter.obligations) == tighter.obligations


def tries(seed: int, documents: int, requests: int) -> Iterator[tuple[Random, dict[str, Any], list[Any]]]:
    random = Random(seed)
    for _ in range(documents):
        document = worlds.a_document(random)
        yield random, document, [(worlds.a_request(random), worlds.a_past(random)) for _ in range(requests)]


def test_the_order_of_rules_changes_nothing_but_the_hash() -> None:
    for random, plain, requests in tries(1, documents=60, requests=5):
        shuffled = {**plain, "rules": random.sample(plain["rules"], len(plain["rules"]))}
        for request, before in requests:
            facts, past = worlds.facts_of(request), [worlds.past_of(item) for item in before]
            one, other = (decide(worlds.text_of(text), facts, past) for text in (plain, shuffled))
            assert {**one.to_json(), "document_hash": ""} == {**other.to_json(), "document_hash": ""}


def added(plain: dict[str, Any], rule: dict[str, Any]) -> str:
    return worlds.text_of({**plain, "rules": [*plain["rules"], rule]})


def changes_of_one_rule(kind: str, seed: int) -> Iterator[tuple[Decision, Decision]]:
    """Decisions before and after a random rule of ``kind`` was added."""
    for random, plain, requests in tries(seed, documents=80, requests=6):
        rule = worlds.a_rule(random, title="added", kind=kind)
        for request, before in requests:
            facts, past = worlds.facts_of(request), [worlds.past_of(item) for item in before]
            yield decide(worlds.text_of(plain), facts, past), decide(added(plain, rule), facts, past)


def test_adding_a_forbid_only_tightens() -> None:
    pairs = list(changes_of_one_rule("forbid", 2))
    assert all(no_stricter(before, after) for before, after in pairs)
    assert any(before.outcome is not after.outcome for before, after in pairs)


def test_adding_a_require_only_tightens() -> None:
    pairs = list(changes_of_one_rule("require", 3))
    assert all(no_stricter(before, after) for before, after in pairs)
    assert any(before.obligations != after.obligations for before, after in pairs)


def test_adding_a_permit_only_loosens() -> None:
    pairs = list(changes_of_one_rule("permit", 4))
    assert all(no_stricter(after, before) for before, after in pairs)
    assert any(before.outcome is not after.outcome for before, after in pairs)


def test_more_past_requests_never_loosen() -> None:
    for random, plain, requests in tries(5, documents=80, requests=6):
        for request, before in requests:
            facts, past = worlds.facts_of(request), [worlds.past_of(item) for item in before]
            more = [*past, *(worlds.past_of(item) for item in worlds.a_past(random))]
            assert no_stricter(decide(worlds.text_of(plain), facts, past), decide(worlds.text_of(plain), facts, more))


HIDDEN = ["client_status", "segregation", "destination", "destination_text", "asset", "chain", "client",
          "decimals", "amount_units", "vault_break", "books_age_seconds"]  # fmt: skip


def forgotten(name: str) -> dict[str, Any]:
    return {name: None}


def test_knowing_less_never_loosens() -> None:
    for random, plain, requests in tries(6, documents=80, requests=6):
        for request, before in requests:
            facts, past = worlds.facts_of(request), [worlds.past_of(item) for item in before]
            hidden = replace(facts, **forgotten(random.choice(HIDDEN)))
            assert no_stricter(decide(worlds.text_of(plain), facts, past), decide(worlds.text_of(plain), hidden, past))


def test_the_stricter_of_two_is_a_join() -> None:
    found = [
        decide(worlds.text_of(plain), worlds.facts_of(request), [])
        for _, plain, requests in tries(7, documents=30, requests=3)
        for request, _before in requests
    ]
    random = Random(8)
    for _ in range(2_000):
        one, two, three = random.choices(found, k=3)
        assert bare(stricter(one, two)) == bare(stricter(two, one))
        assert bare(stricter(one, stricter(two, three))) == bare(stricter(stricter(one, two), three))
        assert stricter(one, one) == one
        assert no_stricter(one, stricter(one, two))


def bare(decision: Decision) -> tuple[Any, ...]:
    return decision.outcome, decision.obligations, decision.rules


def test_every_decision_survives_storing() -> None:
    for _, plain, requests in tries(9, documents=60, requests=6):
        for request, before in requests:
            decision = decide(
                worlds.text_of(plain), worlds.facts_of(request), [worlds.past_of(item) for item in before]
            )
            assert canonical_json(decision.to_json())
            assert Decision.from_json(decision.to_json()) == decision
            assert explain(decision)


LESS = re.compile(r"([0-9.]+) [A-Z]+ less (would be allowed .*)")


def test_what_would_change_the_answer_does() -> None:
    told = 0
    for _, plain, requests in tries(10, documents=300, requests=16):
        for request, before in requests:
            facts, past = worlds.facts_of(request), [worlds.past_of(item) for item in before]
            decision = decide(worlds.text_of(plain), facts, past)
            for less, words in filter(None, (said(sentence) for sentence in decision.would_change)):
                told += 1
                assert facts.amount_units is not None
                assert facts.decimals is not None
                units = facts.amount_units - int(less.scaleb(facts.decimals))
                smaller = decide(worlds.text_of(plain), replace(facts, amount_units=units), past)
                assert words.replace("would be ", "") == explain(smaller)[0]
                assert no_stricter(smaller, decision)
                slightly_more = decide(worlds.text_of(plain), replace(facts, amount_units=units + 1), past)
                assert bare(slightly_more)[:2] != bare(smaller)[:2]
    assert told > 20


def said(sentence: str) -> tuple[Decimal, str] | None:
    match = LESS.fullmatch(sentence)
    return (Decimal(match[1]), match[2]) if match else None


PEOPLE = ["alice", "bob", "carol", "dan", "erin"]
GROUP_NAMES = ["operators", "risk", "board"]


def test_the_tally_fills_as_many_places_as_any_seating_could() -> None:
    random = Random(11)
    met = 0
    for _ in range(3_000):
        groups = {name: set(random.sample(PEOPLE, random.randint(0, 4))) for name in GROUP_NAMES}
        approvals = {name: random.randint(1, 2) for name in random.sample(GROUP_NAMES, random.randint(0, 3))}
        approvers, initiator = random.choices(PEOPLE, k=random.randint(0, 6)), random.choice([None, *PEOPLE])
        met += checked(approvals, groups, approvers, initiator)
    assert 300 < met < 2_700


def checked(
    approvals: dict[str, int], groups: dict[str, set[str]], approvers: list[str], initiator: str | None
) -> bool:
    tally = satisfied(Obligations(approvals), groups, approvers, initiator=initiator)
    people = sorted(set(approvers) - {initiator})
    places = [group for group, count in approvals.items() for _ in range(count)]
    assert sum(tally.missing.values()) == len(places) - most_seated(places, people, groups)
    assert tally.met == (not tally.missing)
    assert initiator not in tally.approved
    again = satisfied(Obligations(approvals), groups, [*reversed(approvers), *approvers], initiator=initiator)
    assert again == tally
    return tally.met


def most_seated(places: list[str], people: list[str], groups: dict[str, set[str]]) -> int:
    """Every person tries every place or none; the best of all."""
    if not people:
        return 0
    person, *rest = people
    best = most_seated(places, rest, groups)
    for group in {place for place in places if person in groups.get(place, ())}:
        left = list(places)
        left.remove(group)
        best = max(best, 1 + most_seated(left, rest, groups))
    return best
