"""What is kept between decisions: it is what the conditions say, it has an end, and nobody can change it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from policies import answering, judgement, kept
from policies.answering import Tables
from policies.conditions import Among, AmountWithin
from policies.decision import Decision, Outcome
from policies.document import Document, load_document
from policies.engine import evaluate
from policies.facts import Facts, UsageTotals, nothing_used
from policies.matches import Match
from policies.rules.forbid import Forbid
from policies.windows import measure
from tests.properties.policies import whole
from tests.unit.policies.builders import BTC, a_document, a_withdrawal

PERMIT = """
  - permit: anything
    match: {kind: withdrawal}
    limit: {per: client, window: 24h, amount: "5 BTC"}
"""
REQUIRE = """
  - require: two
    match: {kind: withdrawal, amount: {above: "1 BTC"}}
    approvals: {operators: 2}
"""


def decided(text: str, requests: list[whole.Request], *, anew: bool) -> list[dict[str, Any]]:
    """Decisions of one document that remembers, or of one made ``anew`` for each."""
    document, answers = load_document(text), []
    for request in requests:
        facts = whole.facts_of(request)
        asked = replace(document) if anew else document
        answers.append(evaluate(asked, facts, measure(asked, facts, [])).to_json())
    return answers


def test_what_was_asked_before_changes_no_decision(seed: int) -> None:
    random = Random(seed)
    for _ in range(20):
        text = whole.text_of(whole.a_document(random))
        requests = [whole.a_request(random) for _ in range(20)]
        mixed = random.sample(requests, len(requests))
        alone = {
            str(request): answer for request, answer in zip(requests, decided(text, requests, anew=True), strict=True)
        }
        assert decided(text, [*requests, *mixed], anew=False) == [
            alone[str(request)] for request in [*requests, *mixed]
        ]


def test_every_rule_stands_as_its_match_says(seed: int) -> None:
    random = Random(seed)
    for _ in range(40):
        document = load_document(whole.text_of(whole.a_document(random)))
        for _ in range(40):
            facts = whole.facts_of(whole.a_request(random))
            verdict, branch, bits, seen = judgement.judge(document, facts, nothing_used)
            judged = judgement.Judged(document, facts, verdict, branch, bits, judgement.AskedOnce(nothing_used, seen))
            for rule, truth, _applies in judged.findings():
                if not rule.match.totals and getattr(rule, "limit", None) is None:
                    assert truth is rule.match.holds(facts), (rule, facts)


def test_little_room_changes_no_decision(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(seed)
    text, requests = whole.text_of(whole.a_document(random)), [whole.a_request(random) for _ in range(300)]
    expected = decided(text, requests, anew=False)
    for module in (kept, answering, judgement):
        monkeypatch.setattr(module, "MOST_KEPT", 2)
    assert decided(text, requests, anew=False) == expected


def test_what_is_kept_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_KEPT", 50)
    monkeypatch.setattr(answering, "MOST_KEPT", 50)
    document = a_document(PERMIT)
    for number in range(500):
        decision = evaluate(document, a_withdrawal(client=f"cl_{number}", chain=f"chain {number}"), nothing_used)
        assert decision.outcome is Outcome.ALLOW
    of_withdrawals = document.tables("withdrawal")
    assert len(of_withdrawals._branches) <= 50
    assert all(len(words) <= 50 for words in of_withdrawals._words)


def test_clients_that_no_rule_tells_apart_share_a_branch() -> None:
    document = a_document(PERMIT)
    for number in range(100):
        evaluate(document, a_withdrawal(client=f"cl_{number}"), nothing_used)
    assert len(document.tables("withdrawal")._branches) == 1


@dataclass(frozen=True)
class Odd:
    """A condition of a field nobody reads."""

    field: str = "mood"
    words: str = "the mood is good"

    def holds(self, _facts: Facts) -> bool | None:
        return True


@dataclass(frozen=True)
class Finer(AmountWithin):
    """Tells even amounts from odd ones, which no table of bounds does."""

    def holds(self, facts: Facts) -> bool | None:
        return (facts.amount_units or 0) % 2 == 0


def a_rule(condition: Any) -> Forbid:
    return Forbid(
        "odd", Match((Among("kind", frozenset({"withdrawal"}), "kind"), condition), frozenset({"withdrawal"}))
    )


def test_a_condition_that_no_table_is_for_is_refused() -> None:
    with pytest.raises(TypeError):
        Tables([a_rule(Odd())], "withdrawal")


def test_a_condition_that_tells_more_apart_than_its_table_is_refused() -> None:
    with pytest.raises(TypeError):
        Tables([a_rule(Finer(None, None, "odd"))], "withdrawal").branch(a_withdrawal())


def test_a_document_with_other_rules_keeps_its_own_answers() -> None:
    document = a_document(f"{PERMIT}{REQUIRE}")
    assert evaluate(document, a_withdrawal(amount_units=2 * BTC), nothing_used).outcome is Outcome.REQUIRE
    without = replace(document, rules=tuple(rule for rule in document.rules if rule.kind == "permit"))
    assert evaluate(without, a_withdrawal(amount_units=2 * BTC), nothing_used).outcome is Outcome.ALLOW


def the_decision(document: Document) -> Decision:
    return evaluate(document, a_withdrawal(amount_units=2 * BTC), nothing_used)


def test_nobody_can_change_a_decision_or_through_it_the_next() -> None:
    document = a_document(f"{PERMIT}{REQUIRE}")
    decision = the_decision(document)
    with pytest.raises(AttributeError):
        decision.outcome = Outcome.ALLOW  # type: ignore[misc]
    with pytest.raises(TypeError):
        decision.obligations.approvals["operators"] = 0  # type: ignore[index]
    assert the_decision(document).obligations.approvals == {"operators": 2}


def test_reasons_are_those_of_the_moment_of_the_decision_whenever_they_are_read() -> None:
    document, used = a_document(PERMIT), [UsageTotals(BTC, 1, 0)]
    decision = evaluate(document, a_withdrawal(), lambda _rule, _per, _seconds: used[-1])
    used.append(UsageTotals(100 * BTC, 99, 0))
    assert decision.outcome is Outcome.ALLOW
    assert [(read.amount_units, read.count) for read in decision.usage] == [(BTC, 1)]
    assert decision.explanation is decision.explanation


def test_a_window_without_a_key_is_not_asked_and_admits_nobody() -> None:
    document = a_document(PERMIT.replace("per: client", "per: destination"))
    asked: list[str] = []

    def usage(rule_id: str, _per: str, _window_seconds: int, /) -> UsageTotals:
        asked.append(rule_id)
        return UsageTotals(0, 0, 0)

    assert evaluate(document, a_withdrawal(destination_text=None), usage).outcome is Outcome.DENY
    assert asked == []


def test_a_limit_is_asked_last_and_only_where_the_rest_is_known_to_hold() -> None:
    total = "match: {kind: withdrawal, total: {per: client, window: 24h, usd: {at_most: 5}}}"
    document = a_document(PERMIT.replace("match: {kind: withdrawal}", total).replace('"5 BTC"', '"0.1 BTC"'))
    trace = evaluate(document, a_withdrawal(usd_micros=None), nothing_used).trace
    assert [line.matched for line in trace] == ["unknown"]
