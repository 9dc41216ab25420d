"""How each rule stands to a request, and the bare answer that follows; ``explanation`` says why in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from policies.decision import MatchedRule, Outcome
from policies.document import Document
from policies.facts import Facts, Usage, UsageTotals
from policies.obligations import Obligations
from policies.readings import key_under, value_known
from policies.rules import Rule
from policies.rules.permit import Permit
from policies.rules.require import Require
from policies.tables import Tables, Windowed, each
from policies.vocabulary import KINDS, MUST_BE_KNOWN

Seen = dict[tuple[str, str, int], UsageTotals | None]
"""What was answered to rule, per and window."""

DEFAULT_RULE: Final = MatchedRule("default", "deny what nobody can name")
"""What denies an unknown kind, asset, chain, destination, client or amount before any rule is asked."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The bare answer, without its reasons."""

    outcome: Outcome
    obligations: Obligations
    rules: tuple[MatchedRule, ...]
    """Those that apply, sorted."""

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


class Judged(NamedTuple):
    """Every rule against one request. Unknown keeps a ``permit`` from applying and makes the others apply."""

    tables: Tables
    may: int
    """Bit n for ``tables.rules[n]``: not known to be no match, with totals and limit."""
    does: int
    """The same: known to match."""
    named: int
    """1 where everything is known that must be about this kind, otherwise 0."""
    usage: Usage
    seen: Seen
    """What ``usage`` answered so far."""

    @property
    def verdict(self) -> Verdict:
        """What applies, joined into one answer."""
        permits = self.tables.permits
        return _joined(self.tables, self.does & permits | self.may & ~permits, self.named)

    def findings(self, document: Document) -> Iterator[Finding]:
        """The same, rule by rule in the document's order. A rule that is not about this kind is known not to match."""
        place = {rule.title: n for n, rule in enumerate(self.tables.rules)}
        for rule in document.rules:
            n = place.get(rule.title)
            truth = False if n is None else self._truth(n)
            yield Finding(rule, truth, truth is True if isinstance(rule, Permit) else truth is not False)

    def _truth(self, n: int) -> bool | None:
        return True if self.does >> n & 1 else None if self.may >> n & 1 else False


def judge(document: Document, facts: Facts, usage: Usage) -> Judged:
    """How every rule stands to ``facts``. Asks ``usage`` only for what ``windows.windows_needed`` lists."""
    tables = document.tables(facts.kind)
    may, does, named = tables.answers(facts)
    counting = tables.windowed & (does | may & ~tables.permits)
    seen: Seen = {}
    while counting:
        bit = counting & -counting
        counting ^= bit
        truth = _within_windows(tables.windows[bit.bit_length() - 1], does & bit != 0, facts, usage, seen)
        if not truth:
            does &= ~bit
            may = may if truth is None else may & ~bit
    return Judged(tables, may, does, named, usage, seen)


def unnamed(facts: Facts) -> list[str]:
    """What must be known about this kind of request and is not; ``["kind"]`` for a kind nobody defined."""
    if facts.kind not in KINDS:
        return ["kind"]
    return [field for field in MUST_BE_KNOWN.get(facts.kind, ()) if not value_known(facts, field)]


def seen_by(rule: Rule, per: str, window_seconds: int, facts: Facts, usage: Usage) -> UsageTotals | None:
    """What was asked before under the rule's match and the request's key; ``None`` where either is unknown."""
    return None if key_under(per, facts) is None else usage(rule.title, per, window_seconds)


_STRICTNESS: Final = {Outcome.ALLOW: 0, Outcome.REQUIRE: 1, Outcome.DENY: 2}


@lru_cache(maxsize=4_096)
def _joined(tables: Tables, applying: int, named: int) -> Verdict:
    rules = [tables.rules[n] for n in each(applying)]
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
    # Kept for the next request like this one, so nobody may write in it.
    obligations = replace(obligations, approvals=MappingProxyType(obligations.approvals))
    return Verdict(Outcome.REQUIRE if obligations else Outcome.ALLOW, obligations, matched)


def _within_windows(windows: Sequence[Windowed], known: bool, facts: Facts, usage: Usage, seen: Seen) -> bool | None:
    """Whether a rule matches whose ``match`` is ``known`` to, or may for all that is known: with totals and limit."""
    truth = known or None
    for asked, window, limits in windows:
        if limits and truth is None:
            break
        if asked not in seen:
            seen[asked] = usage(*asked) if key_under(asked[1], facts) is not None else None
        part = window(facts, seen[asked])
        if part is False:
            return False
        truth = truth if part else None
    return truth
