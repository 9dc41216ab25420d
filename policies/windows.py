"""Which past requests a limit or a total has to see, and counting them.

Both see all requests under their key that fall under their own rule's match (totals left aside), whichever rule let
them out, from ``window_seconds`` ago (not included) until now. The caller fetches them under one lock with the hold,
leaves out the request that is being decided, and on a second evaluation whatever was admitted after it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from policies.document import Document
from policies.facts import Facts, Usage, UsageTotals
from policies.matches import Match
from policies.readings import key_under, known_amount, known_usd
from policies.rules import Rule, windows_of
from policies.rules.permit import Permit


@dataclass(frozen=True, slots=True)
class PastRequest:
    """A request that was admitted earlier."""

    facts: Facts
    """As they were when it was admitted."""
    at: datetime
    """The latest moment at which it was requested, pending, signed or done: for one still on its way, now."""
    released: bool
    """Whether it ended without paying and its share is free again."""


@dataclass(frozen=True, slots=True)
class WindowQuery:
    """One window of one rule that has to be counted before a request can be decided: its limit's, its totals', both's.

    ``(rule, per, window_seconds)`` names it, as ``Usage`` asks for it.
    """

    rule: str
    """Title of the rule."""
    per: str
    key: str
    """What the past requests have in common: a client's id, an address, an asset's code, a requester, ``everyone``."""
    window_seconds: int
    since: datetime
    """Requests at or before this moment no longer count."""
    asset: str | None
    """Short code of the asset the sum is in, the request's own; every asset counts for the number and the worth."""
    decimals: int | None
    match: Match

    def covers(self, past: PastRequest) -> bool:
        """Whether this window sees ``past``. What is unknown about it counts against the request."""
        if past.released or past.at <= self.since:
            return False
        if key_under(self.per, past.facts) not in (self.key, None):
            return False
        return self.match.holds(past.facts) is not False


def windows_needed(document: Document, facts: Facts) -> list[WindowQuery]:
    """Every count ``engine.evaluate`` may ask for: of rules that could matter at this or another amount."""
    queries = []
    for rule in document.rules:
        windows = windows_of(rule)
        if not windows:
            continue
        truth = rule.match.apart_from_amount().holds(facts)
        if truth or (truth is None and not isinstance(rule, Permit)):
            keyed = ((per, key_under(per, facts), seconds) for per, seconds in windows)
            queries += [_query(rule, per, key, seconds, facts) for per, key, seconds in keyed if key is not None]
    return queries


def usage_from(requests: Iterable[PastRequest], query: WindowQuery) -> UsageTotals:
    """Count ``requests`` for one query. A sum is unknown where one number that belongs in it is."""
    seen = [past.facts for past in requests if query.covers(past)]
    units = _sum(_units(facts, query) for facts in seen if facts.asset in (query.asset, None))
    return UsageTotals(units, len(seen), _sum(_worth(facts) for facts in seen))


def measure(document: Document, facts: Facts, requests: Collection[PastRequest]) -> Usage:
    """A ``Usage`` counted from ``requests`` in memory; it knows what ``windows_needed`` lists and nothing else."""
    counted = {
        (query.rule, query.per, query.window_seconds): usage_from(requests, query)
        for query in windows_needed(document, facts)
    }

    def usage(rule_id: str, per: str, window_seconds: int, /) -> UsageTotals | None:
        return counted.get((rule_id, per, window_seconds))

    return usage


def _query(rule: Rule, per: str, key: str, window_seconds: int, facts: Facts) -> WindowQuery:
    return WindowQuery(
        rule=rule.title,
        per=per,
        key=key,
        window_seconds=window_seconds,
        since=facts.now - timedelta(seconds=window_seconds),
        asset=facts.asset,
        decimals=facts.decimals,
        match=rule.match,
    )


def _units(facts: Facts, query: WindowQuery) -> int | None:
    return known_amount(facts) if facts.decimals == query.decimals and facts.asset is not None else None


def _worth(facts: Facts) -> int | None:
    known = known_usd(facts)
    return None if known is None else known[1]


def _sum(numbers: Iterable[int | None]) -> int | None:
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total
