"""``permit``: may let a request out, within its limit; an unknown fact means it does not match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from policies.conditions_total import MAX_COUNT
from policies.facts import Facts, UsageTotals
from policies.matches import Match, read_match
from policies.names import Names
from policies.quantities import Threshold, duration_words, read_duration, read_threshold, read_usd, usd_words
from policies.readings import key_under, known_amount, known_decimals, known_usd
from policies.strict_yaml import Item
from policies.vocabulary import SCOPES

NAMES: Final = frozenset({"permit", "match", "limit"})


@dataclass(frozen=True, slots=True)
class Limit:
    """How much, how often and worth what, per key, in a rolling window that ends now. At least one of them is set."""

    per: str
    window_seconds: int
    amount: Threshold | None
    count: int | None
    words: str
    usd_micros: int | None = None

    def key_of(self, facts: Facts) -> str | None:
        """What requests are counted together under; ``None`` where that is unknown."""
        return key_under(self.per, facts)

    def admits(self, facts: Facts, used: UsageTotals | None) -> bool | None:
        """Whether this request still fits beside what was ``used``; ``None`` where a number is unknown."""
        if used is None:
            return None
        if self.count is not None and used.count >= self.count:
            return False
        if self.usd_micros is None:
            return self.amount is None or self._fits_amount(self.amount, facts, used)
        worth = self._fits_usd(self.usd_micros, facts, used)
        amount = self.amount is None or self._fits_amount(self.amount, facts, used)
        if amount is False or worth is False:
            return False
        return None if amount is None or worth is None else True

    @staticmethod
    def _fits_amount(most: Threshold, facts: Facts, used: UsageTotals) -> bool | None:
        if facts.asset != most.asset:
            return None if facts.asset is None else False
        asked, decimals, before = known_amount(facts), known_decimals(facts), used.amount_units
        if decimals is None or asked is None or before is None:
            return None
        return not most.below(before + asked, decimals)

    @staticmethod
    def _fits_usd(most: int, facts: Facts, used: UsageTotals) -> bool | None:
        asked = known_usd(facts)
        if asked is None or used.usd_micros is None:
            return None
        return used.usd_micros + asked[1] <= most


@dataclass(frozen=True, slots=True)
class Permit:
    """Lets out what matches and fits."""

    title: str
    match: Match
    limit: Limit | None
    kind: ClassVar[str] = "permit"


def read(title: str, entries: dict[str, Item], names: Names) -> Permit:
    """Read one ``permit`` rule. Raises ``PolicyError``."""
    limit = read_limit(entries["limit"]) if "limit" in entries else None
    also = [] if limit is None else [SCOPES[limit.per]]
    if limit is not None:
        also += [*(["asset", "amount"] if limit.amount else []), *(["usd"] if limit.usd_micros else [])]
    return Permit(title, read_match(entries["match"], names, also=also, permits=True), limit)


def read_limit(item: Item) -> Limit:
    """Read how much may be asked for in a window. Raises ``PolicyError``."""
    entries = item.mapping({"per", "window", "amount", "usd", "count"}, required=("per", "window"))
    per, window_seconds = entries["per"].one_of(SCOPES), read_duration(entries["window"])
    amount = read_threshold(entries["amount"]) if "amount" in entries else None
    usd_micros = read_usd(entries["usd"]) if "usd" in entries else None
    count = entries["count"].number(most=MAX_COUNT) if "count" in entries else None
    caps = [
        amount.written if amount else "",
        f"{usd_words(usd_micros)} USD" if usd_micros else "",
        f"{count} requests" if count else "",
    ]
    if not any(caps):
        item.refuse("it limits nothing", accepted="amount, count, usd or several of them")
    words = f"at most {' and '.join(cap for cap in caps if cap)} per {per} in {duration_words(window_seconds)}"
    return Limit(per, window_seconds, amount, count, words, usd_micros)
