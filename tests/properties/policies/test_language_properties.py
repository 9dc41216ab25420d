"""What is true of every document in the whole language, tried on many random ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from random import Random
from typing import Any

from custody.kernel.canonical import canonical_json
from policies.counterfactual import at_units
from policies.decision import Decision, Outcome, explain
from policies.document import load_document
from policies.engine import evaluate
from policies.facts import Facts, UsageTotals
from policies.quantities import MICROS
from policies.windows import PastRequest, measure, usage_from, windows_needed
from tests.properties.policies import languages

loaded = lru_cache(maxsize=64)(load_document)
ORDER = [Outcome.ALLOW, Outcome.REQUIRE, Outcome.DENY]


def decide(text: str, facts: Facts, before: list[PastRequest]) -> Decision:
    document = loaded(text)
    return evaluate(document, facts, measure(document, facts, before))


def no_stricter(looser: Decision, tighter: Decision) -> bool:
    if looser.outcome is not tighter.outcome:
        return ORDER.index(looser.outcome) < ORDER.index(tighter.outcome)
    return looser.obligations.join(tighter.obligations) == tighter.obligations


Try = tuple[Facts, list[PastRequest]]


def worlds(seed: int, documents: int, requests: int) -> Iterator[tuple[Random, dict[str, Any], list[Try]]]:
    """Each document with several requests, because reading one costs more than deciding many."""
    random = Random(seed)
    for _ in range(documents):
        document = languages.a_document(random)
        yield random, document, [(languages.some_facts(random), languages.a_past(random)) for _ in range(requests)]


def tries(
    seed: int, documents: int, requests: int
) -> Iterator[tuple[Random, dict[str, Any], Facts, list[PastRequest]]]:
    for random, document, asked in worlds(seed, documents, requests):
        yield from ((random, document, facts, before) for facts, before in asked)


def test_random_documents_answer_in_every_way() -> None:
    seen = Counter(
        decide(languages.text_of(plain), facts, before).outcome for _, plain, facts, before in tries(20, 30, 30)
    )
    assert min(seen[outcome] for outcome in ORDER) > 50, seen


def test_p066_the_order_of_rules_changes_nothing_but_the_hash() -> None:
    for random, plain, asked in worlds(21, documents=25, requests=12):
        shuffled = {**plain, "rules": random.sample(plain["rules"], len(plain["rules"]))}
        for facts, before in asked:
            one, other = (decide(languages.text_of(text), facts, before) for text in (plain, shuffled))
            assert {**one.to_json(), "document_hash": ""} == {**other.to_json(), "document_hash": ""}


def changes_of_one_rule(kind: str, seed: int) -> Iterator[tuple[Decision, Decision]]:
    """Decisions before and after a random rule of ``kind`` was added."""
    for random, plain, asked in worlds(seed, documents=40, requests=15):
        wider = {**plain, "rules": [*plain["rules"], languages.a_rule(random, "added", kind)]}
        for facts, before in asked:
            yield decide(languages.text_of(plain), facts, before), decide(languages.text_of(wider), facts, before)


def test_adding_a_forbid_only_tightens() -> None:
    pairs = list(changes_of_one_rule("forbid", 22))
    assert all(no_stricter(before, after) for before, after in pairs)
    assert any(before.outcome is not after.outcome for before, after in pairs)


def test_adding_a_require_only_tightens() -> None:
    pairs = list(changes_of_one_rule("require", 23))
    assert all(no_stricter(before, after) for before, after in pairs)
    assert any(before.obligations != after.obligations for before, after in pairs)


def test_adding_a_permit_only_loosens() -> None:
    pairs = list(changes_of_one_rule("permit", 24))
    assert all(no_stricter(after, before) for before, after in pairs)
    assert any(before.outcome is not after.outcome for before, after in pairs)


def test_more_past_requests_never_loosen() -> None:
    for random, plain, facts, before in tries(31, documents=40, requests=15):
        text, more = languages.text_of(plain), [*before, *languages.a_past(random)]
        assert no_stricter(decide(text, facts, before), decide(text, facts, more))


HIDDEN = ["client_status", "destination_code", "destination_text", "usd_micros", "price_state", "price_age_seconds",
          "screening", "collateral", "vault_break", "books_age_seconds", "asset", "amount_units"]  # fmt: skip


def forgotten(name: str) -> dict[str, Any]:
    return {name: None}


def test_knowing_less_never_loosens() -> None:
    for random, plain, facts, before in tries(25, documents=40, requests=20):
        hidden = replace(facts, **forgotten(random.choice(HIDDEN)))
        text = languages.text_of(plain)
        assert no_stricter(decide(text, facts, before), decide(text, hidden, before))


def test_knowing_less_of_the_past_never_loosens() -> None:
    for random, plain, facts, before in tries(26, documents=40, requests=20):
        if before:
            where = random.randrange(len(before))
            past = before[where]
            hidden = replace(past, facts=replace(past.facts, **forgotten(random.choice(HIDDEN))))
            less = [*before[:where], hidden, *before[where + 1 :]]
            text = languages.text_of(plain)
            assert no_stricter(decide(text, facts, before), decide(text, facts, less))


def test_a_price_that_moved_is_as_strict_as_both_prices_are() -> None:
    for random, plain, facts, before in tries(27, documents=40, requests=15):
        if facts.usd_micros is None:
            continue
        text, asked = languages.text_of(plain), random.choice([1, 500_001, 1_000_001, 3 * MICROS])
        moved = decide(text, replace(facts, usd_micros_asked=asked), before)
        for value in (facts.usd_micros, asked):
            assert no_stricter(decide(text, replace(facts, usd_micros=value, usd_micros_asked=None), before), moved)


def test_every_decision_survives_storing_and_can_be_told() -> None:
    for _, plain, facts, before in tries(28, documents=20, requests=20):
        decision = decide(languages.text_of(plain), facts, before)
        assert canonical_json(decision.to_json())
        assert Decision.from_json(decision.to_json()) == decision
        assert Facts.from_json(decision.facts) == facts
        assert explain(decision)


def test_the_engine_asks_for_no_window_that_was_not_listed() -> None:
    for _, plain, facts, before in tries(29, documents=40, requests=15):
        document = loaded(languages.text_of(plain))
        listed = {
            (query.rule, query.per, query.window_seconds): usage_from(before, query)
            for query in windows_needed(document, facts)
        }

        def usage(rule: str, per: str, seconds: int, /, listed: Any = listed) -> UsageTotals:
            found: UsageTotals = listed[rule, per, seconds]
            return found

        assert evaluate(document, facts, usage) == evaluate(document, facts, measure(document, facts, before))


DOLLARS_LESS = re.compile(r"([0-9 ]+(?:\.[0-9]{2})?) USD less (would .*)")


def test_so_many_dollars_less_do_need_less() -> None:
    told = 0
    for _, plain, facts, before in tries(30, documents=80, requests=30):
        decision = decide(languages.text_of(plain), facts, before)
        for sentence in decision.would_change:
            found = DOLLARS_LESS.fullmatch(sentence)
            if found is None or facts.usd_micros is None or facts.amount_units is None:
                continue
            whole, _, part = found[1].replace(" ", "").partition(".")
            left = facts.usd_micros - int(whole) * MICROS - int(part or "0") * (MICROS // 100)
            units = facts.amount_units * left // facts.usd_micros
            if units < 1:
                continue  # told in cents, and the value is less than one
            told += 1
            smaller = decide(languages.text_of(plain), at_units(facts, units), before)
            assert no_stricter(smaller, decision)
            assert (smaller.outcome, smaller.obligations) != (decision.outcome, decision.obligations)
    assert told > 20
