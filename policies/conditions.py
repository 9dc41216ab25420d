"""What a rule's ``match`` may say of one field: each condition is true, false or unknown of a request.

A rule matches when all its conditions hold. One that is known to be false decides; otherwise one that is unknown
leaves the match unknown, and ``permit`` then does not match while ``forbid`` and ``require`` do. Times of the week
are in ``conditions_time``, totals over windows in ``conditions_total``, reading them in ``matches``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from policies.facts import Facts
from policies.quantities import Threshold
from policies.readings import known_age, known_amount, known_decimals, known_usd, value_of


class Condition(Protocol):
    """One field's part of a match."""

    @property
    def field(self) -> str:
        """The field it reads, as documents write it."""

    @property
    def words(self) -> str:
        """The condition in plain words, for traces."""

    def holds(self, facts: Facts) -> bool | None:
        """Whether it is true of a request whose kind has this field; ``None`` where the fact is unknown."""


@dataclass(frozen=True, slots=True)
class Among:
    """The field's value is one of a set. A field of groups holds the ids of their members."""

    field: str
    values: frozenset[str]
    words: str

    def holds(self, facts: Facts) -> bool | None:
        """Set membership; unknown where the fact is missing or outside its vocabulary."""
        value = value_of(facts, self.field)
        return None if value is None else value in self.values


@dataclass(frozen=True, slots=True)
class AmountWithin:
    """The amount is in one asset, strictly more than ``above`` and not more than ``at_most``."""

    above: Threshold | None
    at_most: Threshold | None
    words: str
    field: str = "amount"

    def holds(self, facts: Facts) -> bool | None:
        """False for another asset; unknown where asset, decimals or amount are missing or not positive."""
        return self.holds_of(facts, known_amount(facts))

    def holds_of(self, facts: Facts, units: int | None) -> bool | None:
        """The same of another number of units than the request's own."""
        if facts.asset is not None and facts.asset != self.asset:
            return False
        decimals = known_decimals(facts)
        if facts.asset is None or units is None or decimals is None:
            return None
        if self.above is not None and not self.above.below(units, decimals):
            return False
        return self.at_most is None or not self.at_most.below(units, decimals)

    @property
    def asset(self) -> str:
        """Short code of the asset both bounds are in."""
        bound = self.above or self.at_most
        assert bound is not None
        return bound.asset

    def bounds(self) -> Iterable[Threshold]:
        """The numbers at which the answer changes."""
        return [bound for bound in (self.above, self.at_most) if bound is not None]


@dataclass(frozen=True, slots=True)
class UsdWithin:
    """The value is strictly more than ``above`` and not more than ``at_most``, in millionths of a US dollar.

    Where the price moved since the request there are two values. With a different answer for each, the condition is
    unknown: so a ``permit`` needs it of both, and for a ``forbid`` or ``require`` either is enough.
    """

    above: int | None
    at_most: int | None
    words: str
    field: str = "usd"

    def holds(self, facts: Facts) -> bool | None:
        """Unknown without a value to trust, and where the price moved across a bound."""
        return self.holds_of(known_usd(facts))

    def holds_of(self, values: tuple[int, int] | None) -> bool | None:
        """The same of a lower and a higher value."""
        if values is None:
            return None
        lower, higher = (within(value, self.above, self.at_most) for value in values)
        return lower if lower == higher else None

    def bounds(self) -> Iterable[int]:
        """The values at which the answer changes."""
        return [bound for bound in (self.above, self.at_most) if bound is not None]


@dataclass(frozen=True, slots=True)
class AgeWithin:
    """``books.age`` or ``price.age`` is strictly more than ``above`` seconds and not more than ``at_most``."""

    above: int | None
    at_most: int | None
    words: str
    field: str = "books.age"

    def holds(self, facts: Facts) -> bool | None:
        """Unknown where there is no such age, or it is negative."""
        age = known_age(facts, self.field)
        return None if age is None else within(age, self.above, self.at_most)


def within(number: int, above: int | None, at_most: int | None) -> bool:
    """Whether ``number`` is strictly more than ``above`` and not more than ``at_most``, where they are given."""
    return (above is None or number > above) and (at_most is None or number <= at_most)
