"""What would have changed the answer, found by asking the same engine again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from policies.conditions import AmountWithin, known_amount, known_decimals
from policies.decision import Outcome, obligation_words
from policies.document import Document
from policies.facts import Facts, Usage
from policies.judgement import Finding, Verdict, judge, unnamed, verdict_of
from policies.rules.permit import Permit

MAX_SENTENCES = 4


def would_change(document: Document, facts: Facts, usage: Usage, verdict: Verdict) -> tuple[str, ...]:
    """Plain sentences: how much less would need less, and what one condition keeps a permit from matching."""
    if verdict.outcome is Outcome.ALLOW or unnamed(facts):
        return ()
    sentences = [
        *_smaller_amounts(document, facts, usage, verdict),
        *_nearly_permitted(document, facts, usage, verdict),
    ]
    return tuple(sentences[:MAX_SENTENCES])


def _smaller_amounts(document: Document, facts: Facts, usage: Usage, verdict: Verdict) -> Iterable[str]:
    asked, decimals = known_amount(facts), known_decimals(facts)
    if asked is None or decimals is None:
        return
    best = verdict
    for units in sorted(_turning_points(document, facts, usage, asked), reverse=True):
        smaller = replace(facts, amount_units=units)
        found = verdict_of([], judge(document, smaller, usage))
        if found.looser_than(best):
            yield f"{_decimal(asked - units, decimals)} {facts.asset} less {_answer_words(found)}"
            best = found


def _turning_points(document: Document, facts: Facts, usage: Usage, asked: int) -> set[int]:
    """Amounts in base units, below ``asked``, at which some rule may change its mind."""
    assert facts.decimals is not None
    points: set[int] = set()
    for rule in document.rules:
        for condition in rule.match.conditions:
            if isinstance(condition, AmountWithin) and condition.asset == facts.asset:
                points.update(bound.floor_units(facts.decimals) for bound in condition.bounds())
        if isinstance(rule, Permit):
            points.update(_room_left(rule, facts, usage))
    return {point for point in points if 0 < point < asked}


def _room_left(rule: Permit, facts: Facts, usage: Usage) -> Iterable[int]:
    limit = rule.limit
    if limit is None or limit.amount is None or limit.amount.asset != facts.asset or limit.key_of(facts) is None:
        return
    if not rule.match.apart_from_amount().holds(facts):
        return
    used = usage(rule.title, limit.per, limit.window_seconds)
    if used is not None and used.amount_units is not None and facts.decimals is not None:
        yield limit.amount.floor_units(facts.decimals) - used.amount_units


def _nearly_permitted(document: Document, facts: Facts, usage: Usage, verdict: Verdict) -> Iterable[str]:
    findings = judge(document, facts, usage)
    if verdict.outcome is not Outcome.DENY or any(_forbids(finding) for finding in findings):
        return
    for finding in findings:
        rule = finding.rule
        if not isinstance(rule, Permit) or facts.kind not in rule.match.kinds:
            continue
        failing = rule.match.failing(facts)
        if len(failing) == 1 and not isinstance(failing[0], AmountWithin):
            within = f", within {rule.limit.words}" if rule.limit else ""
            yield f"“{rule.title}” would permit it if {failing[0].words}{within}"


def _forbids(finding: Finding) -> bool:
    return finding.applies and finding.rule.kind == "forbid"


def _answer_words(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.ALLOW:
        return "would be allowed without people"
    return f"would be allowed when {obligation_words(verdict.obligations)}"


def _decimal(units: int, decimals: int) -> str:
    digits = str(units).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
