"""Random documents, requests and pasts in the whole language, so small that boundaries and clashes are hit often."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from policies.facts import Facts
from policies.windows import PastRequest

NOW = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)
USD = 1_000_000
NAMES = {
    "groups": {"operators": ["alice", "bob", "carol"], "risk": ["carol", "dan"]},
    "roles": {"compliance": ["dan", "erin"], "security": ["alice"]},
    "client_groups": {"vip": ["acme"], "both": ["acme", "bolt"]},
}
WORDS: dict[str, list[str]] = {
    "requester": ["exchange", "alice"],
    "requester.group": ["operators", "risk"],
    "client": ["acme", "bolt"],
    "client.group": ["vip", "both"],
    "client.status": ["active", "frozen"],
    "asset": ["BTC", "USDC"],
    "destination": ["listed", "new", "cooling"],
    "destination.code": ["contract", "plain"],
    "price": ["fresh", "stale", "disputed", "missing"],
    "screening": ["clear", "review", "hit"],
    "collateral": ["none", "met", "short"],
    "vault.break": ["open", "none"],
}
SPANS = ["Sun 01:00-02:00", "Sun 02:00-03:00", "Sun 00:00-01:00", "Mon-Sat 00:00-24:00"]
DOLLARS = ["0.5", "1", "1.000001", "2", "5"]
AMOUNTS = ["0.01", "0.5", "1", "2"]
DECIMALS = {"BTC": 2, "USDC": 1}


def a_document(random: Random) -> dict[str, Any]:
    rules = [a_rule(random, f"rule {number}") for number in range(random.randint(2, 6))]
    wide = [{"permit": "wide", "match": {"kind": "withdrawal"}}] if random.random() < 0.6 else []
    return {"policy": "random", "version": 1, **NAMES, "rules": [*wide, *rules]}


def text_of(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1)


def a_rule(random: Random, title: str, kind: str | None = None) -> dict[str, Any]:
    kind = kind or random.choice(["permit", "permit", "permit", "forbid", "require", "require", "require"])
    rule: dict[str, Any] = {kind: title, "match": a_match(random, kind)}
    if kind == "permit" and random.random() < 0.5:
        rule["limit"] = a_window(random) | a_cap(random)
    if kind == "require":
        rule |= random.choice(OBLIGATIONS)
    return rule


OBLIGATIONS: list[dict[str, Any]] = [
    {"approvals": {"operators": 2}},
    {"approvals": {"operators": 1, "risk": 1}, "delay": "1h"},
    {"roles": ["compliance"]},
    {"roles": ["security", "compliance"], "screening": "clear"},
    {"reconciled": "1h"},
    {"reconciled": "1m", "delay": "1m"},
]


def a_match(random: Random, kind: str) -> dict[str, Any]:
    fields = random.sample(
        [*WORDS, "amount", "usd", "usd", "price.age", "time", "total", "total"], random.randint(1, 3)
    )
    more = 2 if kind == "forbid" else 0
    fields += random.sample(sorted(WORDS), more)
    return {"kind": "withdrawal"} | {field: a_wish(random, field, kind) for field in fields}


def a_wish(random: Random, field: str, kind: str) -> Any:
    if field == "amount":
        return bounds(random, [f"{amount} BTC" for amount in AMOUNTS])
    if field == "usd":
        return bounds(random, DOLLARS)
    if field == "price.age":
        return bounds(random, ["59s", "1m", "61s"])
    if field == "time":
        spans = random.sample(SPANS, random.randint(1, 2))
        return {random.choice(["within", "outside"]): spans, "zone": random.choice(["UTC", "Europe/Berlin"])}
    if field == "total":
        side = "at_most" if kind == "permit" else "above"
        totals = [a_total(random, side) for _ in range(random.choice([1, 1, 2]))]
        return totals if len(totals) > 1 and totals[0] != totals[1] else totals[0]
    words = [word for word in WORDS[field] if kind != "permit" or field != "price" or word == "fresh"]
    return random.sample(words, random.randint(1, max(1, len(words) - 1)))


def a_total(random: Random, side: str) -> dict[str, Any]:
    counted = random.choice(
        [("usd", DOLLARS), ("amount", [f"{amount} BTC" for amount in AMOUNTS]), ("count", [1, 2, 3])]
    )
    return a_window(random) | {counted[0]: {side: random.choice(counted[1])}}


def a_window(random: Random) -> dict[str, Any]:
    per = random.choice(["client", "destination", "asset", "requester", "everyone"])
    return {"per": per, "window": random.choice(["1h", "24h"])}


def a_cap(random: Random) -> dict[str, Any]:
    caps = {"usd": random.choice(DOLLARS), "count": random.randint(1, 3), "amount": f"{random.choice(AMOUNTS)} BTC"}
    return {name: caps[name] for name in random.sample(sorted(caps), random.randint(1, 2))}


def bounds(random: Random, scale: list[Any]) -> dict[str, Any]:
    low, high = sorted(random.sample(range(len(scale)), 2))
    both = {"above": scale[low], "at_most": scale[high]}
    return random.choice([both, {"above": scale[low]}, {"at_most": scale[high]}])


def some_facts(random: Random, *, odd: float = 0.05, ago: int = 0) -> Facts:
    def word(*words: Any) -> Any:
        return None if random.random() < odd else random.choice(words)

    asset = random.choice(["BTC", "BTC", "BTC", "USDC"])
    worth = word(1, 499_999, 500_000, 500_001, USD, USD + 1, 2 * USD, 5 * USD, 7 * USD + 1)
    return Facts(
        kind="withdrawal",
        requester=random.choice(["exchange", "alice", "dan"]),
        now=NOW + timedelta(seconds=random.choice([0, 1, 3600]) if not ago else -ago),
        client=random.choice(["acme", "bolt", "other"]),
        client_status=word("active", "frozen"),
        asset=asset,
        decimals=DECIMALS[asset],
        chain="one",
        destination=random.choice(["listed", "new", "cooling"]),
        destination_text=word("here", "there"),
        destination_code=word("contract", "plain"),
        amount_units=random.choice([1, 50, 51, 100, 200, 201]),
        usd_micros=worth,
        usd_micros_asked=random.choice([None, None, worth, USD, 3 * USD]),
        price_state=word(*["fresh"] * 9, "stale"),
        price_age_seconds=word(59, 60, 61),
        screening=word("clear", "clear", "review", "hit"),
        collateral=word("none", "met", "short"),
        vault_break=word("open", "none", "none"),
        books_age_seconds=word(0, 60, 61),
    )


def a_past(random: Random) -> list[PastRequest]:
    seen = []
    for _ in range(random.choice([0, 1, 2, 3])):
        facts = some_facts(random, odd=0.01, ago=random.choice([1, 3599, 3601, 86_399]))
        seen.append(PastRequest(facts, facts.now, released=random.random() < 0.2))
    return seen
