"""One document over one symbolic request, and whether the request leaves with the people who agree and the time waited.

A request leaves when the document does not deny it, those who approve fill every place that is asked for, the delay is
over, and the facts owe nothing more. That is what is proved and compared, not the wording of rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from policies.analysis.counts import Counts
from policies.analysis.encoding import gap, rule_truth
from policies.analysis.logic import (
    Formula,
    Number,
    Truth,
    at_least,
    count,
    differ,
    every,
    implies,
    largest,
    negated,
    some,
    unequal,
)
from policies.analysis.request import Request
from policies.document import Document
from policies.names import Members
from policies.rules import Rule
from policies.rules.forbid import Forbid
from policies.rules.permit import Permit
from policies.rules.require import Require
from policies.strict_yaml import PolicyError
from policies.vocabulary import CLEAR

MAX_GROUPS: Final = 8
"""Groups that one kind of request may need at once: every set of them is asked for enough people."""


class Crowd:
    """Who approves, and how long the request has waited."""

    def __init__(self, context: Any, request: Request) -> None:
        import z3

        self.request = request
        self.approves = {person: z3.Bool(f"approved by {person}", context) for person in request.alphabet.people}
        self.waited = z3.Int("waited", context)

    def counts(self, person: str) -> Formula:
        """Whether ``person`` approves and did not request it."""
        requester = self.request.symbol("requester")
        own = every([requester.known, self.request.is_among("requester", {person})])
        return every([self.approves[person], negated(own)])

    def enough(self, people: Iterable[str], needed: Number) -> Formula:
        """As many of ``people`` count as are ``needed``."""
        return at_least(count(self.counts(person) for person in sorted(people)), needed)

    def within(self) -> Formula:
        """That nobody waits less than no time."""
        return self.waited >= 0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a document asks of a request it does not deny, as formulas; a claim asks the same way."""

    places: Mapping[str, Number]
    """Group to how many of its members."""
    delay: Number
    roles: Mapping[str, Formula]
    """Role to whether somebody must hold it."""
    screening: Formula
    reconciled: tuple[tuple[Formula, int], ...]
    """How old in seconds the last reconciliation may be, where the formula holds."""

    def differs_from(self, other: Asked) -> Formula:
        """Whether the two ask for something else."""
        groups, roles = sorted({*self.places, *other.places}), sorted({*self.roles, *other.roles})
        ages = sorted({seconds for asked in (self, other) for _, seconds in asked.reconciled})
        return some(
            [
                *(unequal(self.places.get(group, 0), other.places.get(group, 0)) for group in groups),
                unequal(self.delay, other.delay),
                *(differ(self.roles.get(role, False), other.roles.get(role, False)) for role in roles),
                differ(self.screening, other.screening),
                *(differ(self.fresher_than(age), other.fresher_than(age)) for age in ages),
            ]
        )

    def fresher_than(self, seconds: int) -> Formula:
        """Whether the books must have been reconciled within ``seconds`` or less."""
        return some(applies for applies, limit in self.reconciled if limit <= seconds)


class Reading:
    """A document's answer to one symbolic request."""

    def __init__(self, document: Document, request: Request, counts: Counts) -> None:
        self.document = document
        self.request = request
        self.truths: list[tuple[Rule, Truth]] = [
            (rule, rule_truth(rule, request, counts)) for rule in document.rules if request.kind in rule.match.kinds
        ]

    def without(self, rule: Rule) -> Reading:
        """The same document without one of its rules."""
        rest = Reading.__new__(Reading)
        rest.document, rest.request = self.document, self.request
        rest.truths = [(other, truth) for other, truth in self.truths if other is not rule]
        return rest

    def denied(self) -> Formula:
        """Something cannot be named, nothing permits it, or something forbids it."""
        permits = some(truth.yes for rule, truth in self.truths if isinstance(rule, Permit))
        forbids = [truth.not_no for rule, truth in self.truths if isinstance(rule, Forbid)]
        return some([gap(self.request), negated(permits), *forbids])

    def asked(self) -> Asked:
        """The joined obligations of every rule that requires something of the request."""
        rules = [(truth.not_no, rule.obligations) for rule, truth in self.truths if isinstance(rule, Require)]
        groups = sorted({group for _, obligations in rules for group in obligations.approvals})
        roles = sorted({role for _, obligations in rules for role in obligations.roles})
        return Asked(
            places={
                group: largest([(applies, obligations.approvals.get(group, 0)) for applies, obligations in rules])
                for group in groups
            },
            delay=largest([(applies, obligations.delay_seconds) for applies, obligations in rules]),
            roles={role: some(applies for applies, found in rules if role in found.roles) for role in roles},
            screening=some(applies for applies, obligations in rules if obligations.screening),
            reconciled=tuple(
                (applies, found.reconciled_seconds) for applies, found in rules if found.reconciled_seconds is not None
            ),
        )

    def leaves(self, crowd: Crowd) -> Formula:
        """The request is not denied and everything asked for is there."""
        met = met_by(crowd, self.asked(), self.document.groups, self.document.roles, self.request)
        return every([negated(self.denied()), met])


def met_by(crowd: Crowd, asked: Asked, groups: Members, roles: Members, request: Request) -> Formula:
    """Whether those who count, the time waited and the facts are all that is asked for."""
    people = people_meet(crowd, asked, groups, roles)
    return every([people, crowd.waited >= asked.delay, *_facts_owe_nothing(asked, request)])


def people_meet(crowd: Crowd, asked: Asked, groups: Members, roles: Members) -> Formula:
    """Whether those who count fill every place and hold every role.

    People are matched to places as ``tally.satisfied`` does: every set of groups has, together, as many members who
    count as it has places (Hall's theorem). Raises ``PolicyError`` beyond ``MAX_GROUPS``.
    """
    names = sorted(asked.places)
    if len(names) > MAX_GROUPS:
        raise PolicyError("too many groups for one kind", field="rules", line=1, accepted=f"at most {MAX_GROUPS}")
    chosen = [part for size in range(1, len(names) + 1) for part in combinations(names, size)]
    seats = [
        crowd.enough(_members(groups, part), sum((asked.places[group] for group in part), start=0)) for part in chosen
    ]
    held = [
        implies(needed, some(crowd.counts(person) for person in sorted(roles.get(role, ()))))
        for role, needed in asked.roles.items()
    ]
    return every([*seats, *held])


def _members(groups: Members, chosen: Iterable[str]) -> frozenset[str]:
    return frozenset[str]().union(*(groups.get(group, frozenset()) for group in chosen))


def _facts_owe_nothing(asked: Asked, request: Request) -> Iterable[Formula]:
    if asked.screening is not False:
        clear = every([request.symbol("screening").known, request.is_among("screening", {CLEAR})])
        yield implies(asked.screening, clear)
    for applies, seconds in asked.reconciled:
        age = request.symbol("books.age")
        yield implies(applies, every([age.known, age.value <= seconds]))


__all__ = ["Asked", "Crowd", "Reading", "met_by", "people_meet"]
