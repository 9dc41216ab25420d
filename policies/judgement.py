"""How each rule stands to a request, and the bare answer that follows; ``engine`` adds the reasons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from policies.conditions import value_known
from policies.decision import Obligations, Outcome
from policies.document import Document
from policies.facts import Facts, Usage, UsageTotals
from policies.rules import Rule
from policies.rules.permit import Permit
from policies.rules.require import Require
from policies.vocabulary import KINDS, MUST_BE_KNOWN


@dataclass(frozen=True, slots=True)
class Verdict:
    """The bare answer, without its reasons."""

    outcome: Outcome
    obligations: Obligations

    def looser_than(self, other: Verdict) -> bool:
        """Whether this asks for less than ``other`` and for nothing more."""
        if self.outcome is not other.outcome:
            return _STRICTNESS[self.outcome] < _STRICTNESS[other.outcome]
        joined = self.obligations.join(other.obligations)
        return joined == other.obligations and joined != self.obligations


class Finding(NamedTuple):
    """How one rule stands to the request. ``applies`` is what counts; ``truth`` may be unknown (``None``)."""

    rule: Rule
    truth: bool | None
    applies: bool


class CountedOnce:
    """A ``Usage`` that asks another one at most once per limit, so that one decision sees one count."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage
        self._seen: dict[tuple[str, str, int], UsageTotals | None] = {}

    def __call__(self, rule_id: str, per: str, window_seconds: int, /) -> UsageTotals | None:
        """Totals for a rule's limit, as first answered."""
        asked = (rule_id, per, window_seconds)
        if asked not in self._seen:
            self._seen[asked] = self._usage(rule_id, per, window_seconds)
        return self._seen[asked]


def unnamed(facts: Facts) -> list[str]:
    """What must be known about this kind of request and is not; ``["kind"]`` for a kind nobody defined."""
    if facts.kind not in KINDS:
        return ["kind"]
    return [field for field in MUST_BE_KNOWN.get(facts.kind, ()) if not value_known(facts, field)]


def judge(document: Document, facts: Facts, usage: Usage) -> list[Finding]:
    """Each rule against the request. Unknown keeps a ``permit`` from applying and makes the others apply."""
    findings = []
    for rule in document.rules:
        truth = rule.match.holds(facts)
        if isinstance(rule, Permit):
            truth = _within_limit(rule, facts, usage) if truth else truth
            findings.append(Finding(rule, truth, truth is True))
        else:
            findings.append(Finding(rule, truth, truth is not False))
    return findings


def verdict_of(gaps: list[str], findings: Iterable[Finding]) -> Verdict:
    """Join what applies into one answer."""
    applying = [finding.rule for finding in findings if finding.applies]
    kinds = {rule.kind for rule in applying}
    if gaps or "forbid" in kinds or "permit" not in kinds:
        return Verdict(Outcome.DENY, Obligations())
    obligations = Obligations()
    for rule in applying:
        if isinstance(rule, Require):
            obligations = obligations.join(rule.obligations)
    return Verdict(Outcome.REQUIRE if obligations else Outcome.ALLOW, obligations)


_STRICTNESS: Final = {Outcome.ALLOW: 0, Outcome.REQUIRE: 1, Outcome.DENY: 2}


def _within_limit(rule: Permit, facts: Facts, usage: Usage) -> bool | None:
    if rule.limit is None:
        return True
    if rule.limit.key_of(facts) is None:
        return None
    return rule.limit.admits(facts, usage(rule.title, rule.limit.per, rule.limit.window_seconds))
