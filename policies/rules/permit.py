"""``permit``: may let a request out, within its limit; an unknown fact means it does not match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from policies.conditions import Match, known_amount, known_decimals, read_match
from policies.decision import duration_words
from policies.facts import Facts, UsageTotals
from policies.quantities import Threshold, read_duration, read_threshold
from policies.rules.shape import Groups
from policies.strict_yaml import Item
from policies.vocabulary import SCOPES

NAMES: Final = frozenset({"permit", "match", "limit"})
MAX_COUNT: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Limit:
    """How much and how often, per key, in a rolling window that ends now. At least one of the two is set."""

    per: str
    window_seconds: int
    amount: Threshold | None
    count: int | None
    words: str

    def key_of(self, facts: Facts) -> str | None:
        """What requests are counted together under; ``None`` where that is unknown."""
        if self.per == "everyone":
            return "everyone"
        return getattr(facts, _KEY_FACTS[self.per]) or None

    def admits(self, facts: Facts, used: UsageTotals | None) -> bool | None:
        """Whether this request still fits beside what was ``used``; ``None`` where a number is unknown."""
        if used is None:
            return None
        fits_count = self.count is None or used.count + 1 <= self.count
        fits_amount = self._fits_amount(facts, used)
        if not fits_count or fits_amount is False:
            return False
        return fits_amount

    def _fits_amount(self, facts: Facts, used: UsageTotals) -> bool | None:
        if self.amount is None:
            return True
        if facts.asset is not None and facts.asset != self.amount.asset:
            return False
        asked, decimals = known_amount(facts), known_decimals(facts)
        if facts.asset is None or decimals is None or asked is None or used.amount_units is None:
            return None
        return not self.amount.below(used.amount_units + asked, decimals)


@dataclass(frozen=True, slots=True)
class Permit:
    """Lets out what matches and fits."""

    title: str
    match: Match
    limit: Limit | None
    kind: ClassVar[str] = "permit"


def read(title: str, entries: dict[str, Item], _groups: Groups) -> Permit:
    """Read one ``permit`` rule. Raises ``PolicyError``."""
    limit = _read_limit(entries["limit"]) if "limit" in entries else None
    also = [] if limit is None else [SCOPES[limit.per], *(["asset", "amount"] if limit.amount else [])]
    return Permit(title, read_match(entries["match"], also=also, permits=True), limit)


_KEY_FACTS: Final = {
    "client": "client",
    "destination": "destination_text",
    "asset": "asset",
    "requester": "requester",
}


def _read_limit(item: Item) -> Limit:
    entries = item.mapping()
    if "usd" in entries:
        entries["usd"].refuse(
            "limits in US dollars need price marks, which this version does not read", accepted='amount: "5 BTC"'
        )
    entries = item.mapping({"per", "window", "amount", "count"}, required=("per", "window"))
    per, window_seconds = entries["per"].one_of(SCOPES), read_duration(entries["window"])
    amount = read_threshold(entries["amount"]) if "amount" in entries else None
    count = entries["count"].number(most=MAX_COUNT) if "count" in entries else None
    if amount is None and count is None:
        item.refuse("it limits nothing", accepted="amount, count or both")
    caps = " and ".join(cap for cap in (amount.written if amount else "", f"{count} requests" if count else "") if cap)
    return Limit(per, window_seconds, amount, count, f"at most {caps} per {per} in {duration_words(window_seconds)}")
