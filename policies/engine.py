"""Deciding one request: nothing that permits it or anything that forbids it denies; every require adds.

Pure: the same document, facts and usage give the same decision, whatever order the rules were written in. What a
limit has seen is asked of ``usage``; ``windows.windows_needed`` says beforehand what will be asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from policies.counterfactual import would_change
from policies.decision import OTHER_KIND, Decision, MatchedRule, TraceLine, UsageRead
from policies.document import Document
from policies.facts import Facts, Usage
from policies.judgement import CountedOnce, Finding, judge, unnamed, verdict_of
from policies.rules import Rule
from policies.rules.permit import Permit
from policies.vocabulary import KINDS

DEFAULT_RULE: Final = MatchedRule("default", "deny what nobody can name")
"""What denies an unknown kind, asset, chain, destination, client or amount before any rule is asked."""


def evaluate(document: Document, facts: Facts, usage: Usage) -> Decision:
    """Decide ``facts`` under ``document``. Raises nothing of its own: what it cannot know, it denies."""
    counted = CountedOnce(usage)
    gaps, findings = unnamed(facts), judge(document, facts, counted)
    verdict = verdict_of(gaps, findings)
    rules = [MatchedRule(finding.rule.kind, finding.rule.title) for finding in findings if finding.applies]
    return Decision(
        outcome=verdict.outcome,
        obligations=verdict.obligations,
        rules=tuple(sorted([DEFAULT_RULE, *rules] if gaps else rules)),
        trace=tuple(_trace(gaps, findings, facts)),
        usage=tuple(_usage_read(findings, facts, counted)),
        facts=facts.to_json(),
        document_hash=document.hash,
        would_change=would_change(document, facts, counted, verdict),
    )


_WORDS: Final = {True: "yes", False: "no", None: "unknown"}


def _trace(gaps: list[str], findings: list[Finding], facts: Facts) -> Iterable[TraceLine]:
    if gaps:
        yield TraceLine(DEFAULT_RULE.kind, DEFAULT_RULE.title, "yes", f"unknown: {', '.join(gaps)}")
    for finding in findings:
        rule = finding.rule
        yield TraceLine(rule.kind, rule.title, _WORDS[finding.truth], _because(finding, facts))


def _because(finding: Finding, facts: Facts) -> str:
    match = finding.rule.match
    if finding.truth is True:
        held = [condition.words for condition in match.conditions]
        return "; ".join([*held, *_limit_words(finding.rule)])
    if facts.kind not in match.kinds:
        return f"{OTHER_KIND} {facts.kind if facts.kind in KINDS else 'this kind'}"
    wrong = [_wrong(condition.words, condition.holds(facts)) for condition in match.failing(facts)]
    return "; ".join(wrong or [_wrong(words, finding.truth) for words in _limit_words(finding.rule)])


def _wrong(words: str, truth: bool | None) -> str:
    return f"unknown: {words}" if truth is None else f"not so: {words}"


def _limit_words(rule: Rule) -> list[str]:
    return [rule.limit.words] if isinstance(rule, Permit) and rule.limit else []


def _usage_read(findings: list[Finding], facts: Facts, usage: Usage) -> Iterable[UsageRead]:
    for finding in findings:
        rule = finding.rule
        if not isinstance(rule, Permit) or rule.limit is None or rule.match.holds(facts) is not True:
            continue
        key = rule.limit.key_of(facts)
        if key is not None:
            yield _read(rule.title, rule.limit.per, key, rule.limit.window_seconds, usage)


def _read(title: str, per: str, key: str, window_seconds: int, usage: Usage) -> UsageRead:
    used = usage(title, per, window_seconds)
    if used is None:
        return UsageRead(title, per, key, window_seconds, None, None)
    return UsageRead(title, per, key, window_seconds, used.amount_units, used.count)
