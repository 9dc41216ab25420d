"""Totals over rolling windows: ``total: {per: client, window: 24h, usd: {above: 100_000}}``.

What was asked in the window under the same key, by requests that fall under the rule's other conditions, plus this
request, lies within bounds. So fifty small requests are seen as the large one that they are together. A ``permit``
reads ``at_most`` only, a ``forbid`` or ``require`` ``above`` only: more requests never loosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from policies.conditions import AmountWithin, UsdWithin, within
from policies.facts import Facts, UsageTotals
from policies.readings import known_amount, known_usd
from policies.vocabulary import SCOPES, TOTAL

MAX_COUNT: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class CountWithin:
    """A number of requests, strictly more than ``above`` and not more than ``at_most``."""

    above: int | None
    at_most: int | None
    words: str


Bounds = AmountWithin | UsdWithin | CountWithin


@dataclass(frozen=True, slots=True)
class TotalWithin:
    """The sum, worth or number of requests ``per`` key in a window that ends now, this request included."""

    per: str
    """One of ``SCOPES``."""
    window_seconds: int
    bounds: Bounds
    words: str
    field: str = TOTAL

    def holds(self, facts: Facts, used: UsageTotals | None) -> bool | None:
        """Whether it is true beside what was ``used`` before.

        False for an amount of another asset; unknown where the usage, or the request's own number, is.
        """
        if isinstance(self.bounds, AmountWithin):
            return self.bounds.holds_of(facts, _sum(used.amount_units if used else None, known_amount(facts)))
        if used is None:
            return None
        if isinstance(self.bounds, CountWithin):
            return within(used.count + 1, self.bounds.above, self.bounds.at_most)
        own = known_usd(facts)
        if own is None or used.usd_micros is None:
            return None
        return self.bounds.holds_of((used.usd_micros + own[0], used.usd_micros + own[1]))

    @property
    def reads(self) -> frozenset[str]:
        """The fields a kind must have for it."""
        if isinstance(self.bounds, AmountWithin):
            return frozenset({SCOPES[self.per], "asset", "amount"})
        return frozenset({SCOPES[self.per], *(["usd"] if isinstance(self.bounds, UsdWithin) else [])})


def _sum(used: int | None, own: int | None) -> int | None:
    return None if used is None or own is None else used + own
