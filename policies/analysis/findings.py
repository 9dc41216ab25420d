"""What is wrong or odd about one document: rules that do nothing, places nobody fills, ways to be locked out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.analysis.alphabet import Alphabet, alphabet_of
from policies.analysis.coverage import DRAWN, denied_of_drawn
from policies.analysis.logic import Formula, Truth, every, negated
from policies.analysis.models import ordinary, witness_of
from policies.analysis.passage import Reading, people_meet
from policies.analysis.search import Space
from policies.analysis.witness import Witness
from policies.conditions import AmountWithin, UsdWithin
from policies.document import Document
from policies.rules import Rule
from policies.rules.permit import Permit
from policies.rules.require import Require
from policies.vocabulary import KINDS

MUST_STAY_POSSIBLE: Final = "policy_change"
"""The kind of request without which a document could never be replaced."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. What ``refuses`` keeps a document from being installed; the rest is to be known."""

    code: str
    about: str
    """Title of a rule or claim, name of a kind or of a text."""
    words: str
    refuses: bool
    witness: Witness | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        row = {"code": self.code, "about": self.about, "words": self.words, "refuses": self.refuses}
        return {**row, **({"witness": self.witness.to_json()} if self.witness else {})}

    def line(self) -> str:
        """For a person."""
        shown = f": {self.witness.words()}" if self.witness else ""
        return f"{'refused' if self.refuses else 'note'}  {self.code}  {self.about}: {self.words}{shown}"


def check(document: Document, *, decimals: Mapping[str, int] | None = None) -> list[Finding]:
    """Everything found about one document, what refuses first. Raises ``Unconfirmed`` and ``Unsolved``."""
    looked = _Looked(document, decimals or {})
    for kind in sorted(KINDS):
        looked.at(kind)
    return sorted(looked.findings(), key=lambda found: (not found.refuses, found.code, found.about))


class _Looked:
    """What each kind of request showed about the rules."""

    def __init__(self, document: Document, decimals: Mapping[str, int]) -> None:
        self.document = document
        self.decimals = decimals
        self.alphabet: Alphabet = alphabet_of([document])
        self.matching: set[str] = set()
        self.letting: set[str] = set()
        self.deciding: set[str] = set()
        self.permitted: set[str] = set()
        self.found: list[Finding] = []

    def at(self, kind: str) -> None:
        """Ask what there is to ask about one kind."""
        space = Space(self.alphabet, kind)
        reading = Reading(self.document, space.request, space.counts)
        for rule, truth in reading.truths:
            self._look(rule, truth, reading, space)
        if any(isinstance(rule, Permit) for rule, _ in reading.truths) and space.find(negated(reading.denied())):
            self.permitted.add(kind)
            self._people(kind, reading, space)
        if kind == MUST_STAY_POSSIBLE and space.find(reading.leaves(space.crowd)) is None:
            self.found.append(Finding("lock-out", kind, "no change of the policy can ever leave", refuses=True))

    def findings(self) -> Iterable[Finding]:
        """Everything, once all kinds were looked at."""
        yield from self.found
        for rule in self.document.rules:
            yield from self._about_rule(rule)
        silent = sorted(KINDS - self.permitted)
        if silent:
            yield Finding("nothing-permits", ", ".join(silent), "nothing permits these kinds of request", refuses=False)
        denied = denied_of_drawn(self.document, self.alphabet, sorted(self.permitted))
        told = ", ".join(f"{kind} {number}" for kind, number in denied.items())
        words = f"denied of {DRAWN} drawn evenly over what the document tells apart: {told}"
        yield Finding("share", "each kind that something permits", words, refuses=False)

    def _look(self, rule: Rule, truth: Truth, reading: Reading, space: Space) -> None:
        if rule.title not in self.matching and space.find(truth.yes) is not None:
            self.matching.add(rule.title)
        lets = every([truth.yes, negated(reading.denied())])
        if isinstance(rule, Permit) and rule.title not in self.letting and space.find(lets) is not None:
            self.letting.add(rule.title)
        if rule.title not in self.deciding and space.find(_matters(rule, reading)) is not None:
            self.deciding.add(rule.title)

    def _people(self, kind: str, reading: Reading, space: Space) -> None:
        """Requests for which all members of all groups are not enough."""
        crowd, document = space.crowd, self.document
        stuck = negated(people_meet(crowd, reading.asked(), document.groups, document.roles))
        member = space.request.is_among("requester", document_people(document))
        wanted = every([negated(reading.denied()), *crowd.approves.values(), stuck])
        for asker, code, refuses in ((negated(member), "unreachable", True), (member, "own-request", False)):
            model = space.find(every([wanted, asker]), ordinary(space, self.decimals))
            if model is not None:
                words = "not even everybody together is enough" if refuses else "one of them cannot ask for it"
                witness = witness_of(model, space, [document.rules], self.decimals)
                self.found.append(Finding(code, kind, words, refuses, witness))
                return

    def _about_rule(self, rule: Rule) -> Iterable[Finding]:
        if isinstance(rule, Permit) and _only_dollars(rule):
            words = "its only bound is in US dollars: a wrong price lets out any amount"
            yield Finding("usd-alone", rule.title, words, refuses=False)
        if rule.title not in self.matching:
            yield Finding("dead-rule", rule.title, f"this {rule.kind} can never match", refuses=True)
        elif isinstance(rule, Permit) and rule.title not in self.letting:
            yield Finding("conflict", rule.title, "all it permits is forbidden", refuses=True)
        elif rule.title not in self.deciding:
            words = f"without this {rule.kind} every answer is the same"
            yield Finding("redundant-rule", rule.title, words, refuses=False)


def document_people(document: Document) -> frozenset[str]:
    """Everybody a document names in a group or a role."""
    return frozenset[str]().union(*document.groups.values(), *document.roles.values())


def _only_dollars(rule: Permit) -> bool:
    """Whether a permit is bounded by worth and by no amount of an asset."""
    bounds = [*rule.match.conditions, *(total.bounds for total in rule.match.totals)]
    by_worth = any(isinstance(bound, UsdWithin) for bound in bounds) or (rule.limit and rule.limit.usd_micros)
    by_amount = any(isinstance(bound, AmountWithin) for bound in bounds) or (rule.limit and rule.limit.amount)
    return bool(by_worth) and not by_amount


def _matters(rule: Rule, reading: Reading) -> Formula:
    """Taking the rule away changes the answer."""
    rest = reading.without(rule)
    if isinstance(rule, Permit):
        return every([negated(reading.denied()), rest.denied()])
    if isinstance(rule, Require):
        return every([negated(reading.denied()), reading.asked().differs_from(rest.asked())])
    return every([reading.denied(), negated(rest.denied())])
