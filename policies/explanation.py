"""Why a request was decided so, in words: every rule and why, what was counted, what would have changed the answer.

Written out when somebody first reads it, from what was captured when the request was decided; so it is the same,
whenever that is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from policies.conditions import Condition
from policies.conditions_total import TotalWithin
from policies.counterfactual import would_change
from policies.decision import OTHER_KIND, Explanation, TraceLine, UsageRead
from policies.document import Document
from policies.facts import Facts, Usage
from policies.judgement import DEFAULT_RULE, AskedOnce, Bare, Finding, Judged, seen_by, unnamed
from policies.quantities import usd_words
from policies.readings import key_under, known_usd
from policies.rules import Rule, windows_of
from policies.rules.permit import Permit
from policies.vocabulary import KINDS

Captured = tuple[Document, Facts, Usage, Bare]
"""Everything a decision was made of: who was asked what, and what came out."""


def write(captured: Captured) -> Explanation:
    """Why it came out so."""
    document, facts, usage, (verdict, branch, bits, seen) = captured
    judged = Judged(document, facts, verdict, branch, bits, AskedOnce(usage, seen))
    findings = list(judged.findings())
    return Explanation(
        trace=tuple(_trace(unnamed(facts), findings, facts, judged.usage)),
        usage=tuple(_usage_read(findings, facts, judged.usage)),
        facts=facts.to_json(),
        would_change=would_change(judged),
    )


_WORDS: Final = {True: "yes", False: "no", None: "unknown"}


def _trace(gaps: list[str], findings: list[Finding], facts: Facts, usage: Usage) -> Iterable[TraceLine]:
    if gaps:
        yield TraceLine(DEFAULT_RULE.kind, DEFAULT_RULE.title, "yes", f"unknown: {', '.join(gaps)}")
    for finding in findings:
        rule = finding.rule
        yield TraceLine(rule.kind, rule.title, _WORDS[finding.truth], _because(finding, facts, usage))


def _because(finding: Finding, facts: Facts, usage: Usage) -> str:
    rule, match = finding.rule, finding.rule.match
    if finding.truth is True:
        held = [condition.words for condition in match.conditions]
        return "; ".join([*held, *(total.words for total in match.totals), *_limit_words(rule)])
    if facts.kind not in match.kinds:
        return f"{OTHER_KIND} {facts.kind if facts.kind in KINDS else 'this kind'}"
    answers = [(condition, condition.holds(facts)) for condition in match.conditions]
    wrong = [_wrong(condition, truth, facts) for condition, truth in answers if truth is not True]
    if match.totals and _counts(rule, facts):
        wrong += _wrong_totals(rule, facts, usage)
    return "; ".join(wrong or [_said(words, finding.truth) for words in _limit_words(rule)])


def _wrong_totals(rule: Rule, facts: Facts, usage: Usage) -> Iterable[str]:
    for total in rule.match.totals:
        truth = total.holds(facts, seen_by(rule, total.per, total.window_seconds, facts, usage))
        if truth is not True:
            yield _wrong(total, truth, facts)


def _wrong(condition: Condition | TotalWithin, truth: bool | None, facts: Facts) -> str:
    if truth is None and condition.field == "usd" and known_usd(facts) is not None:
        now, before = usd_words(facts.usd_micros or 0), usd_words(facts.usd_micros_asked or 0)
        return f"not so of both {now} now and {before} when requested: {condition.words}"
    return _said(condition.words, truth)


def _said(words: str, truth: bool | None) -> str:
    return f"unknown: {words}" if truth is None else f"not so: {words}"


def _limit_words(rule: Rule) -> list[str]:
    return [rule.limit.words] if isinstance(rule, Permit) and rule.limit else []


def _usage_read(findings: list[Finding], facts: Facts, usage: Usage) -> Iterable[UsageRead]:
    for rule in (finding.rule for finding in findings):
        windows = windows_of(rule)
        for per, window_seconds in windows if windows and _counts(rule, facts) else ():
            if key_under(per, facts) is not None:
                yield _read(rule, per, window_seconds, facts, usage)


def _counts(rule: Rule, facts: Facts) -> bool:
    """Whether what came before matters to the rule: its other conditions hold, or may hold where unknown counts."""
    truth = rule.match.holds(facts)
    return truth is True or (truth is None and not isinstance(rule, Permit))


def _read(rule: Rule, per: str, window_seconds: int, facts: Facts, usage: Usage) -> UsageRead:
    used, key = usage(rule.title, per, window_seconds), key_under(per, facts) or ""
    if used is None:
        return UsageRead(rule.title, per, key, window_seconds, None, None)
    return UsageRead(rule.title, per, key, window_seconds, used.amount_units, used.count, used.usd_micros)
