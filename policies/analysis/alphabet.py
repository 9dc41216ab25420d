"""What documents and claims tell apart: the values they name and one nobody names, the people, how fine amounts are.

Two requests that differ only in what no document names get the same answer, so one value stands for all of those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from policies.analysis.moments import Moment, moments_of
from policies.conditions import Among, AmountWithin
from policies.conditions_time import TimesOfWeek
from policies.document import Document
from policies.matches import Match
from policies.quantities import Threshold
from policies.rules.permit import Limit, Permit
from policies.vocabulary import CLOSED_SETS, UNKNOWN_DESTINATION

SPARE_PLACES: Final = 3
"""Decimals beyond those any document writes, so that between two of its amounts there is always another."""
OPEN_FIELDS: Final = ("requester", "client", "asset", "chain")
_UNNAMED: Final = {"requester": "anybody", "client": "any-client", "asset": "ANY", "chain": "any-chain"}


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The finite part of the space of requests."""

    values: Mapping[str, tuple[str, ...]]
    """Field to every value worth telling apart; of a field whose values are open, the last is one nobody names."""
    people: tuple[str, ...]
    """Everybody who is in a group, sorted."""
    places: int
    """Amounts are counted in whole units times ten to this power."""
    moments: tuple[Moment, ...]
    """One moment for every way in which the documents' times of the week can hold together."""

    def scaled(self, digits: int, places: int) -> int:
        """``digits`` / 10^``places`` whole units in the steps amounts are counted in."""
        return digits * int(10 ** (self.places - places))


def alphabet_of(
    documents: Sequence[Document],
    claimed: Sequence[Match] = (),
    groups: Iterable[Mapping[str, frozenset[str]]] = (),
    limits: Iterable[Limit] = (),
) -> Alphabet:
    """Everything ``documents`` name, and what claims about them name, with all people of their groups."""
    read = [rule.match for document in documents for rule in document.rules] + list(claimed)
    conditions = [condition for match in read for condition in match.conditions]
    thresholds = [*_thresholds(documents), *_amounts(read), *(limit.amount for limit in limits if limit.amount)]
    everywhere = [*(members for document in documents for members in (document.groups, document.roles)), *groups]
    people = sorted({person for group in everywhere for members in group.values() for person in members})
    named: dict[str, set[str]] = {field: set() for field in OPEN_FIELDS}
    named["requester"].update(people)
    named["asset"].update(bound.asset for bound in thresholds)
    for condition in conditions:
        if isinstance(condition, Among) and (field := fact_of(condition.field)) in named:
            named[field].update(condition.values)
    return Alphabet(
        values={**_closed(), **{field: _with_one_more(field, found) for field, found in named.items()}},
        people=tuple(people),
        places=max((bound.places for bound in thresholds), default=0) + SPARE_PLACES,
        moments=moments_of([condition for condition in conditions if isinstance(condition, TimesOfWeek)]),
    )


def fact_of(field: str) -> str:
    """The fact behind a field of sets: a group's members are ids, so its field reads whose group it is."""
    return _BEHIND.get(field, field)


_BEHIND: Final = {"requester.group": "requester", "client.group": "client"}


def _thresholds(documents: Sequence[Document]) -> list[Threshold]:
    rules = [rule for document in documents for rule in document.rules if isinstance(rule, Permit)]
    return [rule.limit.amount for rule in rules if rule.limit and rule.limit.amount]


def _amounts(read: Iterable[Match]) -> list[Threshold]:
    bounds = [bound for match in read for bound in [*match.conditions, *(total.bounds for total in match.totals)]]
    return [threshold for bound in bounds if isinstance(bound, AmountWithin) for threshold in bound.bounds()]


def _closed() -> dict[str, tuple[str, ...]]:
    return {field: tuple(sorted(found - {UNKNOWN_DESTINATION})) for field, found in CLOSED_SETS.items()}


def _with_one_more(field: str, found: set[str]) -> tuple[str, ...]:
    unnamed = _UNNAMED[field]
    while unnamed in found:
        unnamed += "-else" if field != "asset" else "X"
    return (*sorted(found), unnamed)
