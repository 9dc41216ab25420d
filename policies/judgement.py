"""How each rule stands to a request, and the bare answer that follows; ``engine`` adds the reasons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from policies.decision import Outcome
from policies.document import Document
from policies.facts import Facts, Usage, UsageTotals
from policies.obligations import Obligations
from policies.readings import key_under, value_known
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
        truth = _truth(rule, facts, usage)
        findings.append(Finding(rule, truth, truth is True if isinstance(rule, Permit) else truth is not False))
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


def _truth(rule: Rule, facts: Facts, usage: Usage) -> bool | None:
    """What is known to be false decides; only then is what came before asked for, and only where it can matter."""
    truth = rule.match.holds(facts)
    if truth is False or (truth is None and isinstance(rule, Permit)):
        return truth
    for total in rule.match.totals:
        part = total.holds(facts, seen_by(rule, total.per, total.window_seconds, facts, usage))
        if part is False:
            return False
        truth = truth if part else None
    if truth and isinstance(rule, Permit) and rule.limit:
        return rule.limit.admits(facts, seen_by(rule, rule.limit.per, rule.limit.window_seconds, facts, usage))
    return truth


def seen_by(rule: Rule, per: str, window_seconds: int, facts: Facts, usage: Usage) -> UsageTotals | None:
    """What was asked before under the rule's match and the request's key; ``None`` where either is unknown."""
    return None if key_under(per, facts) is None else usage(rule.title, per, window_seconds)
