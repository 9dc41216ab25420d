"""What would have changed the answer, found by asking the same engine again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from policies.conditions import AmountWithin, UsdWithin
from policies.decision import Outcome, Verdict
from policies.document import Document
from policies.facts import Facts, Usage
from policies.judgement import Finding, Judged, judge, seen_by, unnamed
from policies.obligations import Obligations, obligation_words
from policies.quantities import usd_words
from policies.readings import known_amount, known_decimals, known_usd
from policies.rules import Rule
from policies.rules.permit import Permit

MAX_SENTENCES: Final = 4
CENT: Final = 10_000
"""In millionths of a US dollar: how fine a difference is told to people, rounded up."""


def would_change(judged: Judged) -> tuple[str, ...]:
    """Plain sentences: how much less would need less, and what one condition keeps a permit from matching."""
    facts, verdict = judged.facts, judged.verdict
    if verdict.outcome is Outcome.ALLOW or unnamed(facts):
        return ()
    sentences = [*_smaller_amounts(judged.document, facts, judged.usage, verdict), *_nearly_permitted(judged)]
    return tuple(sentences[:MAX_SENTENCES])


def at_units(facts: Facts, units: int) -> Facts:
    """The same request for fewer base units, each of its values as much smaller, rounded up."""
    asked = known_amount(facts)
    assert asked is not None
    values = {name: value for name in _VALUES if (value := getattr(facts, name)) is not None and value > 0}
    return replace(facts, amount_units=units, **{name: -(-value * units // asked) for name, value in values.items()})


_VALUES: Final = ("usd_micros", "usd_micros_asked")


def _smaller_amounts(document: Document, facts: Facts, usage: Usage, verdict: Verdict) -> Iterable[str]:
    asked, decimals = known_amount(facts), known_decimals(facts)
    if asked is None or decimals is None:
        return
    in_units = _turning_units(document, facts, usage)
    in_dollars = _turning_dollars(document, facts, usage, asked)
    best = verdict
    for units in sorted({point for point in in_units | in_dollars.keys() if 0 < point < asked}, reverse=True):
        found, *_ = judge(document, at_units(facts, units), usage)
        if found.looser_than(best):
            less = f"{_decimal(asked - units, decimals)} {facts.asset}"
            if units not in in_units:
                less = f"{usd_words(-(-in_dollars[units] // CENT) * CENT)} USD"
            yield f"{less} less {_change_words(verdict, found)}"
            best = found


def _turning_units(document: Document, facts: Facts, usage: Usage) -> set[int]:
    """Amounts in base units at which a rule about amounts may change its mind."""
    decimals = facts.decimals
    assert decimals is not None
    points: set[int] = set()
    for rule in document.rules:
        for condition in rule.match.conditions:
            if isinstance(condition, AmountWithin) and condition.asset == facts.asset:
                points.update(bound.floor_units(decimals) for bound in condition.bounds())
        for per, window_seconds, bounds in _windowed(rule):
            if isinstance(bounds, AmountWithin) and bounds.asset == facts.asset and _concerns(rule, facts):
                used = seen_by(rule, per, window_seconds, facts, usage)
                if used is not None and used.amount_units is not None:
                    points.update(bound.floor_units(decimals) - used.amount_units for bound in bounds.bounds())
    return points


def _turning_dollars(document: Document, facts: Facts, usage: Usage, asked: int) -> dict[int, int]:
    """The same of rules about worth: base units, and how many millionths less than now that is."""
    if known_usd(facts) is None or facts.usd_micros is None:
        return {}
    worths: set[int] = set()
    for rule in document.rules:
        for condition in rule.match.conditions:
            if isinstance(condition, UsdWithin):
                worths.update(condition.bounds())
        for per, window_seconds, bounds in _windowed(rule):
            if isinstance(bounds, UsdWithin) and _concerns(rule, facts):
                used = seen_by(rule, per, window_seconds, facts, usage)
                if used is not None and used.usd_micros is not None:
                    worths.update(bound - used.usd_micros for bound in bounds.bounds())
    points: dict[int, int] = {}
    for worth in (worth for worth in worths if worth > 0):
        points[asked * worth // facts.usd_micros] = facts.usd_micros - worth
        if facts.usd_micros_asked is not None:
            units = asked * worth // facts.usd_micros_asked
            points.setdefault(units, facts.usd_micros - facts.usd_micros * units // asked)
    return points


def _windowed(rule: Rule) -> Iterable[tuple[str, int, object]]:
    """Windows of the rule and the bounds of what is asked in them."""
    for total in rule.match.totals:
        yield total.per, total.window_seconds, total.bounds
    limit = rule.limit if isinstance(rule, Permit) else None
    if limit is not None and limit.amount is not None:
        yield limit.per, limit.window_seconds, AmountWithin(None, limit.amount, limit.words)
    if limit is not None and limit.usd_micros is not None:
        yield limit.per, limit.window_seconds, UsdWithin(None, limit.usd_micros, limit.words)


def _concerns(rule: Rule, facts: Facts) -> bool:
    """Whether the rule's windows were counted: it could matter at this or another amount."""
    truth = rule.match.apart_from_amount().holds(facts)
    return truth is True or (truth is None and not isinstance(rule, Permit))


def _nearly_permitted(judged: Judged) -> Iterable[str]:
    findings, facts = list(judged.findings()), judged.facts
    if judged.verdict.outcome is not Outcome.DENY or any(_forbids(finding) for finding in findings):
        return
    for finding in findings:
        rule = finding.rule
        if not isinstance(rule, Permit) or facts.kind not in rule.match.kinds:
            continue
        failing = rule.match.failing(facts)
        if len(failing) == 1 and failing[0].field not in ("amount", "usd"):
            within = [*(total.words for total in rule.match.totals), *([rule.limit.words] if rule.limit else [])]
            yield ", within ".join([f"“{rule.title}” would permit it if {failing[0].words}", *within])


def _forbids(finding: Finding) -> bool:
    return finding.applies and finding.rule.kind == "forbid"


def _change_words(before: Verdict, after: Verdict) -> str:
    """``would need no risk approval`` where all the difference is what falls away; otherwise all that is left."""
    if after.outcome is Outcome.ALLOW:
        return "would be allowed without people"
    dropped = _dropped(before.obligations, after.obligations) if before.outcome is Outcome.REQUIRE else []
    if dropped:
        return f"would need no {' and no '.join(dropped)}"
    return f"would be allowed when {obligation_words(after.obligations)}"


def _dropped(before: Obligations, after: Obligations) -> list[str]:
    """What is asked before and not after; empty where anything that is left was asked of otherwise."""
    kept = Obligations(
        {group: count for group, count in before.approvals.items() if group in after.approvals},
        before.delay_seconds if after.delay_seconds else 0,
        tuple(role for role in before.roles if role in after.roles),
        after.screening,
        None if after.reconciled_seconds is None else before.reconciled_seconds,
    )
    if kept != after:
        return []
    return [
        *(f"{group} approval" for group in before.approvals if group not in after.approvals),
        *(f"approval by {role}" for role in before.roles if role not in after.roles),
        *(["delay"] if before.delay_seconds and not after.delay_seconds else []),
        *(["screening"] if before.screening and not after.screening else []),
        *(["fresh books"] if before.reconciled_seconds is not None and after.reconciled_seconds is None else []),
    ]


def _decimal(units: int, decimals: int) -> str:
    digits = str(units).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
