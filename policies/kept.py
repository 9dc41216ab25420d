"""Answers of conditions, kept by what the conditions can tell apart.

A condition can answer only as many things as it tells the values of a fact apart. So it is asked once for each of
those, and the answers of all rules are kept together as one integer. Every kept answer came from ``Condition.holds``:
what a condition means is written there and only there.

Of N rules, rule n has bit n unless its match is known to be false, and bit N + n if it is known to be true. Bit 2N is
set where everything is known that must be about the kind. Two threads may fill the same place: with the same.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, TypeVar

from policies.conditions import AgeWithin, Among, AmountWithin, UsdWithin
from policies.conditions_time import TimesOfWeek, minute_of_week
from policies.facts import Facts
from policies.readings import READ, known_decimals, known_usd, value_known
from policies.vocabulary import CLOSED_SETS

MOST_KEPT: Final = 10_000
"""How many answers are kept in one place. Beyond that conditions are asked again, so memory has an end."""

_C = TypeVar("_C")


@dataclass(frozen=True, slots=True)
class Asking:
    """Conditions with the number of the rule each belongs to, and fields that must be known."""

    count: int
    conditions: list[tuple[int, Any]]
    must: tuple[str, ...]

    def about(self, *fields: str) -> Asking:
        """Only what reads one of these fields."""
        conditions = [(n, item) for n, item in self.conditions if item.field in fields]
        return Asking(self.count, conditions, tuple(field for field in self.must if field in fields))

    def by_zone(self) -> dict[str, Asking]:
        """Conditions of times apart by zone."""
        zones = sorted({item.zone for item in self.of_type(TimesOfWeek)})
        return {
            zone: replace(self, conditions=[(n, c) for n, c in self.conditions if c.zone == zone]) for zone in zones
        }

    def of_rules(self, numbers: list[int]) -> Asking:
        """Only these rules, numbered anew in this order."""
        place = {n: place for place, n in enumerate(numbers)}
        return replace(
            self, count=len(numbers), conditions=[(place[n], item) for n, item in self.conditions if n in place]
        )

    def of_type(self, kind: type[_C]) -> list[_C]:
        """The conditions, all of this one type, for another may tell more apart. Raises ``TypeError``."""
        if not all(type(item) is kind for _, item in self.conditions):
            raise TypeError(f"a condition that is no {kind.__name__}")
        return [item for _, item in self.conditions]

    def __bool__(self) -> bool:
        return bool(self.conditions or self.must)

    def __call__(self, facts: Facts) -> int:
        """All bits but those that ``facts`` take away."""
        lost = 0
        for n, condition in self.conditions:
            truth = condition.holds(facts)
            if truth is not True:
                lost |= 1 << self.count + n
            if truth is False:
                lost |= 1 << n
        if not all(value_known(facts, field) for field in self.must):
            lost |= 1 << 2 * self.count
        return (1 << 2 * self.count + 1) - 1 & ~lost


class Words(dict[str | None, int]):
    """Answers of all conditions of sets that read one fact, by its value."""

    def __init__(self, fact: str, asking: Asking) -> None:
        super().__init__()
        self.fact: Final = fact
        self._asking = asking
        named = frozenset[str]().union(*(condition.values for condition in asking.of_type(Among)))
        known = [CLOSED_SETS[field] for field, read in READ.items() if read == fact and field in CLOSED_SETS]
        self._told_apart: frozenset[str | None] = named.union(*known, (None, ""))
        self._stranger: int | None = None

    def __missing__(self, value: str | None) -> int:
        """Ask for ``value``. Whatever no condition names is the same stranger to all of them, and is asked for once."""
        if value in self._told_apart:
            bits = self._asking(somebody(self.fact, value))
        elif self._stranger is None:
            bits = self._stranger = self._asking(somebody(self.fact, value))
        else:
            bits = self._stranger
        if len(self) < MOST_KEPT:
            self[value] = bits
        return bits


def words_of(asking: Asking) -> list[Words]:
    """One for each fact that conditions of sets read, or that must be known; the kind itself apart."""
    by_fact: dict[str, list[str]] = {}
    for field, fact in READ.items():
        if field != "kind":
            by_fact.setdefault(fact, []).append(field)
    return [Words(fact, part) for fact, fields in by_fact.items() if (part := asking.about(*fields))]


Measure = Callable[[Facts], int]
"""Answers of all conditions that compare one quantity, kept by its place among their bounds."""


def measures_of(asking: Asking, facts: Facts) -> tuple[Measure, ...]:
    """One for each quantity that conditions compare or that must be known, for requests in the asset of ``facts``."""
    measures: list[Measure] = []
    for field, fact in _AGES.items():
        if part := asking.about(field):
            measures.append(_steps(fact, part, _bounds(part.of_type(AgeWithin))))
    if part := asking.about("amount"):
        measures.append(_steps("amount_units", part, _units(part, facts)))
    if part := asking.about("usd"):
        measures.append(_worth(part))
    return (*measures, *(_clock(zone, part) for zone, part in asking.about("time").by_zone().items()))


_AGES: Final = {"books.age": "books_age_seconds", "price.age": "price_age_seconds"}
QUANTITIES: Final = (*_AGES, "amount", "usd", "time")
"""Fields that conditions compare with bounds."""


def _steps(fact: str, asking: Asking, bounds: Iterable[int]) -> Measure:
    """Of one whole number. Beside the bounds, nothing, less than nothing and unknown stand apart."""
    places, read = sorted({-1, 0, *bounds}), attrgetter(fact)
    kept: list[int | None] = [None] * (len(places) + 2)

    def answers(facts: Facts) -> int:
        number = read(facts)
        place = -1 if number is None else bisect_left(places, number)
        bits = kept[place]
        if bits is None:
            bits = kept[place] = asking(facts)
        return bits

    return answers


def _units(asking: Asking, facts: Facts) -> list[int]:
    decimals = known_decimals(facts)
    theirs = [bound for item in asking.of_type(AmountWithin) if item.asset == facts.asset for bound in item.bounds()]
    return [] if decimals is None else [bound.floor_units(decimals) for bound in theirs]


def _worth(asking: Asking) -> Measure:
    bounds = sorted(_bounds(asking.of_type(UsdWithin)))

    def place(facts: Facts) -> Hashable:
        values = known_usd(facts)
        return None if values is None else (bisect_left(bounds, values[0]), bisect_left(bounds, values[1]))

    return _by_place(asking, place)


def _clock(zone: str, asking: Asking) -> Measure:
    ends = sorted({minute for item in asking.of_type(TimesOfWeek) for span in item.spans for minute in span})
    return _by_place(asking, lambda facts: bisect_right(ends, minute_of_week(facts, zone)))


def _by_place(asking: Asking, place_of: Callable[[Facts], Hashable]) -> Measure:
    kept: dict[Hashable, int] = {}

    def answers(facts: Facts) -> int:
        place = place_of(facts)
        bits = kept.get(place)
        if bits is None:
            bits = asking(facts)
            if len(kept) < MOST_KEPT:
                kept[place] = bits
        return bits

    return answers


def _bounds(conditions: Iterable[AgeWithin | UsdWithin]) -> set[int]:
    return {bound for item in conditions for bound in (item.above, item.at_most) if bound is not None}


def somebody(fact: str, value: str | None) -> Facts:
    """A request of which one fact is given and, but for what every request has, nothing is known."""
    given: dict[str, Any] = {fact: value}
    return replace(_NOBODY, **given)


_NOBODY: Final = Facts(kind="", requester="", now=datetime.min.replace(tzinfo=UTC))


def bits_at(places: Iterable[int]) -> int:
    """A number with the bits of these places set."""
    bits = 0
    for place in places:
        bits |= 1 << place
    return bits
