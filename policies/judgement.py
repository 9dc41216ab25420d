"""How each rule stands to a request, and the bare answer that follows; ``explanation`` says why in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, NamedTuple

from policies.answering import Branch, Window
from policies.decision import MatchedRule, Outcome, Verdict
from policies.document import Document
from policies.facts import Facts, Usage, UsageTotals
from policies.kept import MOST_KEPT
from policies.obligations import Obligations
from policies.readings import key_under, value_known
from policies.rules import Rule
from policies.rules.permit import Permit
from policies.rules.require import Require
from policies.vocabulary import KINDS, MUST_BE_KNOWN

Seen = dict[tuple[str, str, int], UsageTotals | None]
"""What was answered to rule, per and window."""

DEFAULT_RULE: Final = MatchedRule("default", "deny what nobody can name")
"""What denies an unknown kind, asset, chain, destination, client or amount before any rule is asked."""


class Finding(NamedTuple):
    """How one rule stands to the request. ``applies`` is what counts; ``truth`` may be unknown (``None``)."""

    rule: Rule
    truth: bool | None
    applies: bool


class AskedOnce:
    """A ``Usage`` that asks another one only for what was not ``seen`` before, so that one decision sees one count."""

    __slots__ = ("_seen", "_usage")

    def __init__(self, usage: Usage, seen: Seen) -> None:
        self._usage, self._seen = usage, dict(seen)

    def __call__(self, rule_id: str, per: str, window_seconds: int, /) -> UsageTotals | None:
        """Totals for one window of a rule, as first answered."""
        asked = (rule_id, per, window_seconds)
        if asked not in self._seen:
            self._seen[asked] = self._usage(rule_id, per, window_seconds)
        return self._seen[asked]


Bare = tuple[Verdict, Branch, int, Seen]
"""A verdict, the branch that gave it, how its rules stood in the bits that ``kept`` describes (with their totals and
limits), and what usage answered."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Every rule against one request, and what follows."""

    document: Document
    facts: Facts
    verdict: Verdict
    branch: Branch
    bits: int
    """How the rules of ``branch`` stand, as ``kept`` describes it, with their totals and limits."""
    usage: Usage

    def findings(self) -> Iterator[Finding]:
        """Rule by rule in the document's order. One that is not of the branch is known not to match."""
        place = {rule.title: n for n, rule in enumerate(self.branch.rules)}
        for rule in self.document.rules:
            n = place.get(rule.title)
            truth = False if n is None else self._truth(n)
            yield Finding(rule, truth, truth is True if isinstance(rule, Permit) else truth is not False)

    def _truth(self, n: int) -> bool | None:
        return True if self.bits >> self.branch.count + n & 1 else None if self.bits >> n & 1 else False


def judge(document: Document, facts: Facts, usage: Usage) -> Bare:
    """How every rule stands to ``facts``. Asks ``usage`` only for what ``windows.windows_needed`` lists.

    Unknown keeps a ``permit`` from applying and makes the others apply.
    """
    branch = document.tables(facts.kind).branch(facts)
    bits = branch.bits
    for measure in branch.measures:
        bits &= measure(facts)
    seen: Seen = {}
    for windows, applies, does, unknown, false in branch.counting:
        if bits & applies:
            truth = _within_windows(windows, bits & does != 0, facts, usage, seen)
            if not truth:
                bits &= unknown if truth is None else false
    answered = bits >> branch.count & branch.known_counts | bits & branch.others
    verdict = branch.verdicts.get(answered) or _verdict(branch, answered)
    return verdict, branch, bits, seen


def unnamed(facts: Facts) -> list[str]:
    """What must be known about this kind of request and is not; ``["kind"]`` for a kind nobody defined."""
    if facts.kind not in KINDS:
        return ["kind"]
    return [field for field in MUST_BE_KNOWN.get(facts.kind, ()) if not value_known(facts, field)]


def seen_by(rule: Rule, per: str, window_seconds: int, facts: Facts, usage: Usage) -> UsageTotals | None:
    """What was asked before under the rule's match and the request's key; ``None`` where either is unknown."""
    return None if key_under(per, facts) is None else usage(rule.title, per, window_seconds)


def _verdict(branch: Branch, answered: int) -> Verdict:
    """What follows where the rules of these bits apply; the bit after the last is set where all is named."""
    named = answered >> branch.count
    verdict = _joined([rule for n, rule in enumerate(branch.rules) if answered >> n & 1], named)
    if len(branch.verdicts) < MOST_KEPT:
        branch.verdicts[answered] = verdict
    return verdict


def _joined(rules: list[Rule], named: int) -> Verdict:
    matched = tuple(sorted(MatchedRule(rule.kind, rule.title) for rule in rules))
    kinds = {rule.kind for rule in rules}
    if not named:
        return Verdict(Outcome.DENY, Obligations(), (DEFAULT_RULE, *matched))
    if "forbid" in kinds or "permit" not in kinds:
        return Verdict(Outcome.DENY, Obligations(), matched)
    obligations = Obligations()
    for rule in rules:
        if isinstance(rule, Require):
            obligations = obligations.join(rule.obligations)
    # It answers other requests too, so nobody may write in it.
    obligations = replace(obligations, approvals=MappingProxyType(obligations.approvals))
    return Verdict(Outcome.REQUIRE if obligations else Outcome.ALLOW, obligations, matched)


def _within_windows(windows: Sequence[Window], known: bool, facts: Facts, usage: Usage, seen: Seen) -> bool | None:
    """Whether a rule matches whose ``match`` is ``known`` to, or may for all that is known: with totals and limit."""
    truth = known or None
    for asked, key, holds, limits in windows:
        if limits and truth is None:
            break
        if not key(facts):
            used = None
        elif asked in seen:
            used = seen[asked]
        else:
            used = seen[asked] = usage(*asked)
        part = holds(facts, used)
        if part is False:
            return False
        if part is None:
            truth = None
    return truth
