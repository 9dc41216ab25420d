"""Replaying requests: windows kept up count what windows counted anew do, and changes are told for what they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from policies import simulation
from policies.decision import Outcome
from policies.document import load_document
from policies.engine import evaluate
from policies.facts import Facts
from policies.obligations import Obligations
from policies.rules import windows_of
from policies.simulation import EXAMPLES, Replayed, Rolling, simulate
from policies.windows import PastRequest, measure, windows_needed
from tests.properties.policies import languages
from tests.unit.policies.builders import NOW, a_document, a_withdrawal


def requests(random: Random, number: int) -> Iterator[Facts]:
    now = languages.NOW
    for _ in range(number):
        now += timedelta(seconds=random.choice([0, 1, 600, 3599, 40_000]))
        yield replace(languages.some_facts(random, odd=0.08), now=now)


def test_windows_kept_up_count_what_windows_counted_anew_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "SWEPT_EVERY", 7)
    random, compared, known = Random(3), 0, 0
    for _ in range(60):
        document = load_document(languages.text_of(languages.a_document(random)))
        if not any(windows_of(rule) for rule in document.rules):
            continue
        rolling, before = Rolling(document), list[PastRequest]()
        for facts in requests(random, 40):
            anew, kept_up = measure(document, facts, before), rolling.usage(facts)
            for query in windows_needed(document, facts):
                asked = (query.rule, query.per, query.window_seconds)
                assert kept_up(*asked) == anew(*asked), (asked, facts)
                compared, known = compared + 1, known + (anew(*asked).amount_units or 0 > 0)  # type: ignore[union-attr]
            before.append(PastRequest(facts, facts.now, released=False))
            rolling.add(facts)
    assert compared > 1_000
    assert known > 100


RULES = (
    '  - permit: out\n    match: {kind: withdrawal}\n    limit: {per: client, window: 24h, amount: "5 BTC"}\n'
    '  - require: two\n    match: {kind: withdrawal, amount: {above: "2 BTC"}}\n    approvals: {operators: 2}\n'
    '  - require: risk\n    match: {kind: withdrawal, amount: {above: "3 BTC"}}\n'
    "    approvals: {risk: 1}\n    delay: 1h\n"
)


def replayed(number: int, amount: int, *, released: bool = False, ago: int = 0, before: str = RULES) -> Replayed:
    facts = a_withdrawal(amount_units=amount * 10**8, now=NOW - timedelta(seconds=ago))
    document = a_document(before)
    decision = evaluate(document, facts, measure(document, facts, []))
    return Replayed(f"request {number}", facts, released, decision.outcome, decision.obligations)


def test_every_change_is_told_for_what_it_is() -> None:
    other = (
        '  - permit: out\n    match: {kind: withdrawal, amount: {at_most: "4 BTC"}}\n'
        '  - require: three\n    match: {kind: withdrawal, amount: {above: "1 BTC"}}\n    approvals: {operators: 1}\n'
        '  - require: wait\n    match: {kind: withdrawal, amount: {above: "2 BTC"}}\n    delay: 30m\n'
    )
    amounts = [1, 2, 3, 4, 5, 6]
    found = simulate(a_document(other), [replayed(n, n) for n in amounts], since=NOW)
    assert found.requests == len(amounts)
    assert dict(found.changes) == {
        "the same": 2,  # 1 BTC leaves alone; 6 BTC never left
        "more people": 1,  # 2 BTC
        "slower": 1,  # 3 BTC waits now
        "fewer people": 2,  # 3 and 4 BTC
        "faster": 1,  # 4 BTC waited longer
        "denied": 1,  # 5 BTC
    }
    assert found.examples["denied"] == ["request 5"]
    assert dict(found.work_before) == {"operators": 2 + 2 + 2, "risk": 1 + 1}
    assert dict(found.work_after) == {"operators": 3}
    assert found.to_json()["work"][0] == {"who": "operators", "before": 6, "after": 3}


def test_what_a_document_lets_in_counts_in_its_own_windows() -> None:
    asked = [replayed(n, 2, ago=600 - n) for n in range(4)]
    found = simulate(a_document(RULES), asked, since=NOW - timedelta(hours=1))
    assert (found.changes["the same"], found.changes["denied"]) == (2, 2)
    given_back = [replace(one, released=n == 0) for n, one in enumerate(asked)]
    assert simulate(a_document(RULES), given_back, since=NOW - timedelta(hours=1)).changes["denied"] == 1


def test_what_came_before_the_first_day_counts_and_is_not_told() -> None:
    asked = [replayed(0, 5, ago=3600), replayed(1, 1)]
    found = simulate(a_document(RULES), asked, since=NOW)
    assert found.requests == 1
    assert found.changes["denied"] == 1


def test_history_of_any_length_takes_the_memory_of_the_longest_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "SWEPT_EVERY", 10)
    rolling = Rolling(a_document(RULES))
    for day in range(50):
        rolling.add(a_withdrawal(client=f"c{day}", now=NOW + timedelta(days=day)))
    kept = sum(len(tally._seen) for tallies in rolling._tallies.values() for tally in tallies.values())
    assert kept <= 1
    assert sum(map(len, rolling._tallies.values())) <= 1


def test_few_examples_are_kept_of_many() -> None:
    denied = Obligations()
    asked = (
        Replayed(f"{n}", a_withdrawal(client=f"c{n}"), released=False, outcome=Outcome.DENY, obligations=denied)
        for n in range(50)
    )
    found = simulate(a_document(RULES), asked, since=NOW)
    assert found.changes["let out"] == 50
    assert len(found.examples["let out"]) == EXAMPLES
