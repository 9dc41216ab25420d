"""Random documents with windows and random histories, for comparing the database's count with the policy's own."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from policies.document import Document, load_document
from policies.facts import Facts
from policies.windows import PastRequest

NOW: Final = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
KINDS: Final = ("withdrawal", "withdrawal", "withdrawal", "respend", "stray_return", "client_opening", "freeze")
MATCHES: Final = (
    "destination: [listed, new]",
    "destination: own",
    "client.status: active",
    "client.group: vip",
    "requester.group: operators",
    "requester: exchange",
    'amount: {above: "0.5 BTC"}',
    'amount: {at_most: "2 ETH"}',
    "usd: {above: 100}",
    'usd: {above: "0.5", at_most: 5_000}',
    "price: fresh",
    "price.age: {at_most: 10m}",
    "screening: clear",
    "collateral: none",
    "destination.code: plain",
    "vault.break: none",
    "books.age: {at_most: 1h}",
    "segregation: segregated",
    "asset: [BTC, ETH]",
    "chain: one",
    'time: {within: ["Mon-Fri 09:00-17:00"], zone: Europe/Berlin}',
    'time: {outside: ["Sun 00:00-24:00"], zone: Asia/Tokyo}',
)
WINDOWS: Final = ("30m", "24h", "7d")
SCOPES: Final = ("client", "destination", "asset", "requester", "everyone")
HEAD: Final = """policy: random
version: 1
groups: {operators: [alice, bob]}
client_groups: {vip: [cl_a]}
rules:
"""


@dataclass(frozen=True)
class Ended:
    """How one past request stands: None is on its way."""

    facts: Facts
    ended_at: datetime | None
    released: bool

    def past(self, now: datetime) -> PastRequest:
        """As the policy's own count takes it."""
        return PastRequest(self.facts, now if self.ended_at is None else self.ended_at, self.released)


def document(random: random.Random) -> Document:
    """A few rules that count, over random matches."""
    rules = [_rule(random, place) for place in range(random.randint(2, 5))]
    return load_document(HEAD + "".join(rules))


def history(random: random.Random, length: int) -> list[Ended]:
    """So many past requests, in the order they were admitted."""
    return [_ended(random) for _ in range(length)]


def facts(random: random.Random, now: datetime = NOW, **known: Any) -> Facts:
    """A request with anything known or not, some of it outside the vocabulary."""

    def some(*values: Any) -> Any:
        return random.choice((None, *values, *values, *values))

    asset, decimals = random.choice((("BTC", 8), ("BTC", 8), ("ETH", 18), ("ETH", 8), (None, None), ("", 8)))
    found = Facts(
        kind=random.choice(KINDS),
        requester=random.choice(("exchange", "alice", "")),
        now=now,
        client=some("cl_a", "cl_b", ""),
        client_status=some("active", "frozen", "odd"),
        segregation=some("segregated", "omnibus"),
        asset=asset,
        decimals=decimals,
        chain=some("one", "two"),
        destination=some("listed", "new", "own", "cooling", "unknown"),
        destination_code=some("plain", "contract"),
        destination_text=some("here", "there"),
        amount_units=some(1, 49_999_999, 50_000_001, 10**18, 2 * 10**18 + 1, 0, -5),
        usd_micros=some(1, 499_999, 500_001, 100_000_000, 100_000_001, 0),
        usd_micros_asked=random.choice((None, None, None, 1, 100_000_001, 0)),
        price_state=some("fresh", "fresh", "stale", "disputed"),
        price_age_seconds=some(0, 600, 601, -1),
        screening=some("clear", "hit"),
        collateral=some("none", "short"),
        vault_break=some("open", "none"),
        books_age_seconds=some(0, 3_600, 3_601),
    )
    return replace(found, **known)


def _ended(random: random.Random) -> Ended:
    asked = NOW - timedelta(minutes=random.choice((1, 29, 30, 31, 600, 1_440, 5_000, 10_080, 20_000)))
    how = random.choice(("on its way", "done", "done", "released"))
    ended = None if how == "on its way" else asked + timedelta(minutes=random.choice((0, 1, 30)))
    return Ended(facts(random, asked), ended, how == "released")


def _rule(random: random.Random, place: int) -> str:
    conditions = random.sample(MATCHES, random.randint(1, 3))
    names = [condition.split(":")[0] for condition in conditions]
    kept = [each for at, each in enumerate(conditions) if names.index(names[at]) == at]
    per, window = random.choice(SCOPES), random.choice(WINDOWS)
    if random.random() < 0.5:
        limit = random.choice(('amount: "5 BTC"', "count: 3", "usd: 1_000", 'amount: "1 ETH", count: 9, usd: 5'))
        match = (
            f"match: {{kind: withdrawal, {', '.join(kept)}}}" if random.random() < 0.7 else "match: {kind: withdrawal}"
        )
        return f"  - permit: rule {place}\n    {match}\n    limit: {{per: {per}, window: {window}, {limit}}}\n"
    bound = random.choice(('amount: {above: "5 BTC"}', "count: {above: 3}", "usd: {above: 1_000}"))
    total = f"total: {{per: {per}, window: {window}, {bound}}}"
    return f"  - forbid: rule {place}\n    match: {{kind: withdrawal, {', '.join([*kept, total])}}}\n"
