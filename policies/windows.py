"""Which past requests a limit has to see, and counting them.

A limit sees all requests under its key that fall under its own rule's match, whichever rule let them out, from
``window_seconds`` ago (not included) until now. The caller fetches them under one lock with the hold, leaves out
the request that is being decided, and on a second evaluation whatever was admitted after it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from policies.conditions import Match, known_amount
from policies.document import Document
from policies.facts import Facts, Usage, UsageTotals
from policies.rules.permit import Limit, Permit


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
    """One limit that has to be counted before a request can be decided."""

    rule: str
    """Title of the rule."""
    per: str
    key: str
    """What the past requests have in common: a client's id, an address, an asset's code, a requester, ``everyone``."""
    window_seconds: int
    since: datetime
    """Requests at or before this moment no longer count."""
    asset: str | None
    """Short code of the asset the sum is in; every asset counts for the number of requests."""
    decimals: int | None
    match: Match
    limit: Limit

    def covers(self, past: PastRequest) -> bool:
        """Whether this limit sees ``past``. What is unknown about it counts against the limit."""
        if past.released or past.at <= self.since:
            return False
        if self.limit.key_of(past.facts) not in (self.key, None):
            return False
        return self.match.holds(past.facts) is not False


def windows_needed(document: Document, facts: Facts) -> list[WindowQuery]:
    """Every count ``engine.evaluate`` may ask for: limits of permits that could match at this or another amount."""
    queries = []
    for rule in document.rules:
        if not isinstance(rule, Permit) or rule.limit is None:
            continue
        key = rule.limit.key_of(facts)
        if key is not None and rule.match.apart_from_amount().holds(facts):
            queries.append(_query(rule, rule.limit, key, facts))
    return queries


def usage_from(requests: Iterable[PastRequest], query: WindowQuery) -> UsageTotals:
    """Count ``requests`` for one query. The sum is unknown where one amount that belongs in it is."""
    seen = [past.facts for past in requests if query.covers(past)]
    amounts = [_units(facts, query) for facts in seen if facts.asset in (query.asset, None)]
    known = [amount for amount in amounts if amount is not None]
    return UsageTotals(sum(known) if len(known) == len(amounts) else None, len(seen))


def measure(document: Document, facts: Facts, requests: Collection[PastRequest]) -> Usage:
    """A ``Usage`` counted from ``requests`` in memory; it knows what ``windows_needed`` lists and nothing else."""
    counted = {
        (query.rule, query.per, query.window_seconds): usage_from(requests, query)
        for query in windows_needed(document, facts)
    }

    def usage(rule_id: str, per: str, window_seconds: int, /) -> UsageTotals | None:
        return counted.get((rule_id, per, window_seconds))

    return usage


def _query(rule: Permit, limit: Limit, key: str, facts: Facts) -> WindowQuery:
    return WindowQuery(
        rule=rule.title,
        per=limit.per,
        key=key,
        window_seconds=limit.window_seconds,
        since=facts.now - timedelta(seconds=limit.window_seconds),
        asset=limit.amount.asset if limit.amount else facts.asset,
        decimals=facts.decimals,
        match=rule.match,
        limit=limit,
    )


def _units(facts: Facts, query: WindowQuery) -> int | None:
    return known_amount(facts) if facts.decimals == query.decimals and facts.asset is not None else None
