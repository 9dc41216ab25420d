"""What was asked for before: a symbol for every count a rule may read, ordered where one sees all another sees.

Counts are not tied to a past that made them, so what holds of all counts holds of all pasts. Two rules that count the
same requests share one symbol, and one that sees no more than another has counted no more: without that, a document
with a longer window could seem looser than one with a shorter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from policies.analysis.logic import Formula, Number, every, implies
from policies.conditions import AgeWithin, Among, AmountWithin, Condition, UsdWithin
from policies.matches import Match
from policies.readings import EVERYONE


@dataclass(frozen=True, slots=True)
class Seen:
    """Which past requests a count is of. Equal ones see the same requests whatever their key is."""

    per: str
    window_seconds: int
    kinds: frozenset[str]
    conditions: frozenset[Condition]

    def sees_no_more_than(self, other: Seen) -> bool:
        """Whether every request this counts is surely counted by ``other``."""
        if other.per not in (self.per, EVERYONE) or self.window_seconds > other.window_seconds:
            return False
        if not self.kinds <= other.kinds:
            return False
        return all(any(narrower(mine, theirs) for mine in self.conditions) for theirs in other.conditions)


def seen_by(match: Match, per: str, window_seconds: int) -> Seen:
    """What a limit or a total counts: requests under its key that fall under its rule's match."""
    return Seen(per, window_seconds, match.kinds, frozenset(match.conditions))


@dataclass(frozen=True, slots=True)
class Totals:
    """The symbols of one count. Amounts are of the asset of the request that is decided."""

    known: Formula
    amount_known: Formula
    amount: Number
    usd_known: Formula
    usd: Number
    count: Number


class Counts:
    """All counts asked for so far."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._totals: dict[Seen, Totals] = {}

    def of(self, seen: Seen) -> Totals:
        """The symbols of one count, the same ones every time."""
        if seen not in self._totals:
            self._totals[seen] = self._fresh(f"used {len(self._totals)}")
        return self._totals[seen]

    def all(self) -> Iterable[Totals]:
        """Every count asked for."""
        return self._totals.values()

    def within(self) -> Formula:
        """That counts are not negative, and ordered where one sees all that another sees."""
        pairs = permutations(self._totals.items(), 2)
        ordered = [_no_more(few, some) for (first, few), (second, some) in pairs if first.sees_no_more_than(second)]
        return every([*map(_possible, self.all()), *ordered])

    def _fresh(self, name: str) -> Totals:
        import z3

        context = self._context
        return Totals(
            known=z3.Bool(f"{name} known", context),
            amount_known=z3.Bool(f"{name} amount known", context),
            amount=z3.Int(f"{name} amount", context),
            usd_known=z3.Bool(f"{name} usd known", context),
            usd=z3.Int(f"{name} usd", context),
            count=z3.Int(f"{name} count", context),
        )


def narrower(first: Condition, second: Condition) -> bool:
    """Whether ``first`` holds or is unknown only where ``second`` holds or is unknown."""
    if first == second:
        return True
    if isinstance(first, Among) and isinstance(second, Among):
        return first.field == second.field and first.values <= second.values
    if isinstance(first, AmountWithin) and isinstance(second, AmountWithin):
        return first.asset == second.asset and _amounts_within(first, second)
    if isinstance(first, AgeWithin | UsdWithin) and isinstance(second, AgeWithin | UsdWithin):
        return first.field == second.field and _between(first.above, first.at_most, second.above, second.at_most)
    return False


def _possible(totals: Totals) -> Formula:
    """No sum is negative, and nothing adds up to more than nothing."""
    something = totals.count > 0
    signs = [totals.amount >= 0, totals.usd >= 0, totals.count >= 0]
    return every([*signs, implies(totals.amount > 0, something), implies(totals.usd > 0, something)])


def _no_more(few: Totals, some: Totals) -> Formula:
    known = [
        implies(some.known, few.known),
        implies(some.amount_known, few.amount_known),
        implies(some.usd_known, few.usd_known),
    ]
    return every([few.count <= some.count, few.amount <= some.amount, few.usd <= some.usd, *known])


def _amounts_within(first: AmountWithin, second: AmountWithin) -> bool:
    places = max((bound.places for bound in [*first.bounds(), *second.bounds()]), default=0)

    def scaled(bound: Any) -> int | None:
        return None if bound is None else bound.digits * int(10 ** (places - bound.places))

    return _between(*map(scaled, (first.above, first.at_most, second.above, second.at_most)))


def _between(low: int | None, high: int | None, other_low: int | None, other_high: int | None) -> bool:
    above = other_low is None or (low is not None and low >= other_low)
    return above and (other_high is None or (high is not None and high <= other_high))
