"""How every rule that can be about a kind of request stands to one, looked up instead of asked.

A condition can answer only as many things as it tells the values of a fact apart. So it is asked once for each of
those, the answers of all rules are kept together as one integer, and a request is answered by one look-up for each
fact and an ``&`` of what was found. Every kept answer came from ``Condition.holds``: what a condition means is written
there and only there.

Of N rules, rule n has bit n unless its match is known to be false, and bit N + n if it is known to be true. Bit 2N is
set where everything is known that must be about the kind.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeVar

from policies.conditions import AgeWithin, Among, AmountWithin, UsdWithin
from policies.conditions_time import TimesOfWeek, minute_of_week
from policies.facts import Facts
from policies.readings import READ, known_age, known_amount, known_decimals, known_usd, value_known
from policies.rules import Rule, windows_of
from policies.rules.permit import Permit
from policies.vocabulary import CLOSED_SETS, KINDS, MUST_BE_KNOWN

MOST_KEPT: Final = 10_000
"""How many answers are kept about one quantity. Beyond that, two values at once among many bounds, they are asked."""


_C = TypeVar("_C")


class Answers(NamedTuple):
    """How the matches of ``Tables.rules`` stand to one request, totals and limits left aside. Bit n is rule n."""

    may: int
    """Not known to be false."""
    does: int
    """Known to be true."""
    counted: int
    """Rules with windows that matter to this request, or would if it were for another amount."""
    named: int
    """1 where everything is known that must be about this kind, otherwise 0."""


class Tables:
    """The rules of a document that can be about one kind, in its order, and what they have answered so far.

    What is kept grows with what the rules can tell apart, never with what was asked. Two threads may fill the same
    place: they fill it with the same.
    """

    def __init__(self, rules: Iterable[Rule], kind: str) -> None:
        """Asks nothing yet. For a kind nobody defined all rules are there, and of none is anything known."""
        defined = kind in KINDS
        self.rules: Final = tuple(rule for rule in rules if kind in rule.match.kinds or not defined)
        count = len(self.rules)
        self.permits: Final = _bits(n for n, rule in enumerate(self.rules) if isinstance(rule, Permit))
        self.windows: Final = tuple(windows_of(rule) for rule in self.rules)
        self._counting = _bits(n for n, windows in enumerate(self.windows) if windows)
        self._count, self._all = count, (1 << count) - 1
        asked = [(n, item) for n, rule in enumerate(self.rules) for item in rule.match.conditions if defined]
        asking = _Asking(count, asked, MUST_BE_KNOWN.get(kind, ()))
        self._start = asking.about("kind")(_somebody("kind", kind)) if defined else self._all
        self._words, self._measures, self._amounts = _kept(asking)
        # With a second name there is always a tuple to go through.
        self._read = attrgetter(*(words.fact for words in self._words), "kind", "kind")

    def answers(self, facts: Facts) -> Answers:
        """How each rule's match stands to ``facts``, which are of this kind."""
        bits, count, everything = self._start, self._count, self._all
        for value, words in zip(self._read(facts), self._words, strict=False):
            bits &= words[value]
        for measure in self._measures:
            if bits & measure.concerns:
                bits &= measure.at(facts)
        counted = bits & self._counting
        if counted:
            counted &= bits >> count | ~self.permits
        for measure in self._amounts:
            if bits & measure.concerns:
                bits &= measure.at(facts)
        return Answers(bits & everything, bits >> count & everything, counted, bits >> 2 * count)


def each(bits: int) -> Iterator[int]:
    """Places of the bits that are set, lowest first."""
    while bits:
        yield (bits & -bits).bit_length() - 1
        bits &= bits - 1


@dataclass(frozen=True, slots=True)
class _Asking:
    """Conditions with the number of the rule each belongs to, and fields that must be known."""

    count: int
    conditions: list[tuple[int, Any]]
    must: tuple[str, ...]

    def about(self, *fields: str) -> _Asking:
        """Only what reads one of these fields."""
        conditions = [(n, item) for n, item in self.conditions if item.field in fields]
        return _Asking(self.count, conditions, tuple(field for field in self.must if field in fields))

    def by_zone(self) -> dict[str, _Asking]:
        """Conditions of times apart by zone."""
        zones = sorted({item.zone for item in self.of_type(TimesOfWeek)})
        return {
            zone: replace(self, conditions=[(n, c) for n, c in self.conditions if c.zone == zone]) for zone in zones
        }

    def of_type(self, kind: type[_C]) -> list[_C]:
        """The conditions, all of this one type, for another may tell more apart. Raises ``TypeError``."""
        if not all(type(item) is kind for _, item in self.conditions):
            raise TypeError(f"a condition that is no {kind.__name__}")
        return [item for _, item in self.conditions]

    def concerns(self) -> int:
        """Bits that may be lost by asking."""
        return _bits(n for n, _ in self.conditions) | (1 << 2 * self.count if self.must else 0)

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


class _Words(dict[str | None, int]):
    """Answers of all conditions of sets that read one fact, by its value."""

    def __init__(self, fact: str, asking: _Asking) -> None:
        super().__init__()
        self.fact: Final = fact
        self._asking = asking
        named = frozenset[str]().union(*(condition.values for condition in asking.of_type(Among)))
        known = [CLOSED_SETS[field] for field, read in READ.items() if read == fact and field in CLOSED_SETS]
        self._told_apart: frozenset[str | None] = named.union(*known, (None, ""))
        self._stranger: int | None = None

    def __missing__(self, value: str | None) -> int:
        """Ask for ``value``. What no condition names is one stranger to all of them, and is kept as one."""
        if value in self._told_apart:
            bits = self[value] = self._asking(_somebody(self.fact, value))
            return bits
        if self._stranger is None:
            self._stranger = self._asking(_somebody(self.fact, value))
        return self._stranger


class _Measure:
    """Answers of all conditions that compare one quantity, by its place among their bounds."""

    def __init__(self, asking: _Asking, place: Callable[[Facts], Hashable]) -> None:
        self.concerns: Final = asking.concerns()
        self._asking, self._place = asking, place
        self._kept: dict[Hashable, int] = {}

    def at(self, facts: Facts) -> int:
        """The answers to ``facts``, or to whatever else stood in the same place."""
        place = self._place(facts)
        bits = self._kept.get(place)
        if bits is None:
            bits = self._asking(facts)
            if len(self._kept) < MOST_KEPT:
                self._kept[place] = bits
        return bits


def _kept(asking: _Asking) -> tuple[list[_Words], list[_Measure], list[_Measure]]:
    """Where answers are kept: about words and ids, about quantities that are no amounts, and about amounts."""
    for field in {item.field for _, item in asking.conditions} - {*READ, *_QUANTITIES}:
        raise TypeError(f"nobody keeps answers about {field}")
    by_fact: dict[str, list[str]] = {}
    for field, fact in READ.items():
        if field != "kind":
            by_fact.setdefault(fact, []).append(field)
    words = [_Words(fact, part) for fact, fields in by_fact.items() if (part := asking.about(*fields)).concerns()]
    rest = [_age(field, part) for field in ("books.age", "price.age") if (part := asking.about(field)).concerns()]
    rest += [_clock(zone, part) for zone, part in asking.about("time").by_zone().items()]
    amounts = [_amount(part)] if (part := asking.about("amount")).concerns() else []
    amounts += [_worth(part)] if (part := asking.about("usd")).concerns() else []
    return words, rest, amounts


_QUANTITIES: Final = ("books.age", "price.age", "time", "amount", "usd")


def _age(field: str, asking: _Asking) -> _Measure:
    conditions = asking.of_type(AgeWithin)
    bounds = sorted({bound for item in conditions for bound in (item.above, item.at_most) if bound is not None})

    def place(facts: Facts) -> Hashable:
        age = known_age(facts, field)
        return None if age is None else bisect_left(bounds, age)

    return _Measure(asking, place)


def _clock(zone: str, asking: _Asking) -> _Measure:
    ends = sorted({minute for item in asking.of_type(TimesOfWeek) for span in item.spans for minute in span})
    return _Measure(asking, lambda facts: bisect_right(ends, minute_of_week(facts, zone)))


def _worth(asking: _Asking) -> _Measure:
    bounds = sorted({bound for item in asking.of_type(UsdWithin) for bound in item.bounds()})

    def place(facts: Facts) -> Hashable:
        values = known_usd(facts)
        return None if values is None else (bisect_left(bounds, values[0]), bisect_left(bounds, values[1]))

    return _Measure(asking, place)


def _amount(asking: _Asking) -> _Measure:
    conditions = asking.of_type(AmountWithin)
    assets = {item.asset for item in conditions}
    bounds: dict[tuple[str, int], list[int]] = {}

    def place(facts: Facts) -> Hashable:
        asset, decimals, units = facts.asset, known_decimals(facts), known_amount(facts)
        if decimals is None or units is None or asset not in assets:
            return asset if asset in assets else asset is None, decimals is None, units is None
        found = bounds.get((asset, decimals))
        if found is None:
            theirs = [bound for item in conditions if item.asset == asset for bound in item.bounds()]
            found = bounds[asset, decimals] = sorted({bound.floor_units(decimals) for bound in theirs})
        return asset, decimals, bisect_left(found, units)

    return _Measure(asking, place)


def _somebody(fact: str, value: str | None) -> Facts:
    """A request of which one fact is given and, but for what every request has, nothing is known."""
    given: dict[str, Any] = {fact: value}
    return replace(_NOBODY, **given)


_NOBODY: Final = Facts(kind="", requester="", now=datetime.min.replace(tzinfo=UTC))


def _bits(places: Iterable[int]) -> int:
    bits = 0
    for place in places:
        bits |= 1 << place
    return bits
