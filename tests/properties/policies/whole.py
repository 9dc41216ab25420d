"""Random documents and requests in all the language has, of every sort of kind, for engine and reference alike.

Numbers sit at and around the bounds, and a few facts are missing or strange, so that every answer comes often.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from policies.facts import Facts
from policies.windows import PastRequest
from tests.properties.policies.reference import FIELDS, WORDS, Request

NOW = datetime(2026, 3, 29, 0, 59, 30, tzinfo=UTC)
"""Half a minute before Berlin's clocks go forward."""
GROUPS = {"operators": ["alice", "bob", "carol"], "risk": ["carol", "dan"], "board": ["erin"]}
ROLES = {"compliance": ["dan", "erin"], "security": ["alice"]}
CLIENTS = {"vip": ["acme"], "both": ["acme", "bolt"], "rest": ["cord"]}
PEOPLE = ["alice", "bob", "carol", "dan", "erin", "zoe"]
IDS = {
    "requester": ["exchange", "alice", "dan"],
    "client": ["acme", "bolt", "cord"],
    "asset": ["BTC", "USDC"],
    "chain": ["one", "two"],
    "requester.group": list(GROUPS),
    "client.group": list(CLIENTS),
}
SCALES: dict[str, list[Any]] = {
    "amount": ["0.01", "0.5", "0.505", "1", "1.01", "2"],
    "usd": ["0.5", "1", "1.000001", "2", 5, "1_000"],
    "count": [1, 2, 3],
    "books.age": ["1s", "59s", "1m", "1h"],
    "price.age": ["59s", "1m", "61s"],
}
SPANS = ["Sun 01:00-02:00", "Sun 02:00-04:00", "Sat-Sun 00:00-01:00", "Mon-Sat 00:00-24:00", "Sun 00:59-03:01"]
ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu"]
SCOPES = ["client", "destination", "asset", "requester", "everyone"]
ABOUT = [[], *(["withdrawal"] for _ in range(5)), ["withdrawal", "pledge"], ["sweep"], ["manual_entry"],
         ["client_opening"], ["policy_change", "freeze"]]  # fmt: skip
OBLIGATIONS: list[dict[str, Any]] = [
    {"approvals": {"operators": 2}},
    {"approvals": {"operators": 1, "risk": 1}, "delay": "1h"},
    {"approvals": {"board": 1}, "roles": "compliance"},
    {"delay": "90s"},
    {"roles": ["security", "compliance"], "screening": "clear"},
    {"reconciled": "1h"},
    {"reconciled": "1m", "delay": "1m"},
]
ODD: dict[str, list[Any]] = {
    "client": [None, ""], "asset": [None], "chain": [None, ""], "destination": [None, "unknown", "moon"],
    "units": [None, 0, -1], "decimals": [None, 78, -1], "usd": [None, 0, -5], "usd.asked": [0, 3],
    "price": [None, "odd", "stale"], "books.age": [None, -1], "price.age": [None, -1], "address": [None, ""],
    "client.status": [None, "limbo"], "screening": [None, "maybe"], "vault.break": [None, "perhaps"],
    "collateral": [None], "destination.code": [None, "odd"], "segregation": [None], "kind": ["teleport"],
    "requester": [""],
}  # fmt: skip


def a_document(random: Random) -> dict[str, Any]:
    rules = [a_rule(random, f"rule {number}") for number in range(random.randint(2, 9))]
    wide = [{"permit": "wide", "match": {"kind": random.choice(["withdrawal", "sweep"])}}]
    return {
        "policy": "random",
        "version": 1,
        "groups": GROUPS,
        "roles": ROLES,
        "client_groups": CLIENTS,
        "rules": [*(wide if random.random() < 0.5 else []), *rules],
    }


def text_of(document: dict[str, Any]) -> str:
    return json.dumps(document)


def a_rule(random: Random, title: str) -> dict[str, Any]:
    kind = random.choice(["permit"] * 4 + ["forbid"] + ["require"] * 3)
    about = random.choice(ABOUT)
    able = [name for name in FIELDS["withdrawal"] if all(name in FIELDS[each] for each in about)]
    count = random.choice([0, 1, 1, 2, 3]) + (2 if kind == "forbid" else 0 if about else 1)
    fields = random.sample(able, min(count, len(able)))
    match: dict[str, Any] = {name: a_wish(random, name, kind) for name in fields}
    if about:
        match["kind"] = about if len(about) > 1 or random.random() < 0.5 else about[0]
    scopes = [per for per in SCOPES if per == "everyone" or per in able]
    if random.random() < 0.25:
        side = "at_most" if kind == "permit" else "above"
        totals = [a_total(random, scopes, able, side) for _ in range(random.choice([1, 1, 2]))]
        match["total"] = totals if len(totals) > 1 and totals[0] != totals[1] else totals[0]
    rule: dict[str, Any] = {kind: title, "match": match}
    if kind == "permit" and random.random() < 0.5:
        caps = countable(able)
        chosen = random.sample(caps, random.randint(1, min(2, len(caps))))
        rule["limit"] = a_window(random, scopes) | {name: a_number(random, name) for name in chosen}
    return rule | (random.choice(OBLIGATIONS) if kind == "require" else {})


def a_wish(random: Random, field: str, kind: str) -> Any:
    if field in SCALES:
        return bounds(random, field)
    if field == "time":
        spans = random.sample(SPANS, random.randint(1, 2))
        side = random.choice(["within", "outside"])
        return {side: spans if random.random() < 0.7 else spans[0], "zone": random.choice(ZONES)}
    words = IDS.get(field) or WORDS[field]
    if kind == "permit" and field == "price":
        return "fresh"
    chosen = random.sample(words, random.randint(1, max(1, len(words) - 1)))
    return chosen if len(chosen) > 1 or random.random() < 0.3 else chosen[0]


def bounds(random: Random, field: str) -> dict[str, Any]:
    low, high = sorted(random.sample(range(len(SCALES[field])), 2))
    unit = f" {random.choice(IDS['asset'])}" if field == "amount" else ""
    both = {"above": SCALES[field][low], "at_most": SCALES[field][high]}
    both = {side: f"{value}{unit}" if unit else value for side, value in both.items()}
    return random.choice([both, {"above": both["above"]}, {"at_most": both["at_most"]}])


def countable(able: list[str]) -> list[str]:
    return ["count", *(name for name in ("amount", "usd") if name in able)]


def a_number(random: Random, name: str) -> Any:
    unit = f" {random.choice(IDS['asset'])}" if name == "amount" else ""
    value = random.choice(SCALES[name])
    return f"{value}{unit}" if unit else value


def a_total(random: Random, scopes: list[str], able: list[str], side: str) -> dict[str, Any]:
    name = random.choice(countable(able))
    return a_window(random, scopes) | {name: {side: a_number(random, name)}}


def a_window(random: Random, scopes: list[str]) -> dict[str, Any]:
    return {"per": random.choice(scopes), "window": random.choice(["1h", "24h", "2d"])}


def a_request(random: Random, *, odd: float = 0.25, ago: int = 0) -> Request:
    """One request, of which with probability ``odd`` something is strange."""
    asset = random.choice(["BTC", "BTC", "USDC", "DOGE"])
    worth = random.choice([1, 499_999, 500_000, 500_001, 1_000_000, 1_000_001, 2_000_000, 5_000_001, 10**9 + 1])
    request: Request = {
        "kind": random.choice(["withdrawal"] * 6 + list(FIELDS)),
        "requester": random.choice(IDS["requester"]),
        "client": random.choice(IDS["client"]),
        "asset": asset,
        "chain": random.choice(IDS["chain"]),
        "decimals": {"BTC": 2, "USDC": 1}.get(asset, 0),
        "units": random.choice([1, 2, 5, 10, 20, 50, 51, 100, 101, 200, 201]),
        "usd": worth,
        "usd.asked": random.choice([None, None, worth, 500_000, 3_000_000]),
        "price": random.choice(["fresh"] * 8 + ["stale", "missing"]),
        "price.age": random.choice([0, 59, 60, 61, 62]),
        "books.age": random.choice([0, 1, 2, 59, 60, 61, 3600, 3601]),
        "address": random.choice(["here", "there"]),
        "at": NOW + timedelta(seconds=random.choice([0, 29, 30, 3600, 3690]) if not ago else -ago),
    }
    for name, words in WORDS.items():
        request.setdefault(name, random.choice(words))
    if random.random() < odd:
        for name in random.sample(sorted(ODD), random.choice([1, 1, 2])):
            request[name] = random.choice(ODD[name])
    return request


def a_past(random: Random) -> list[Request]:
    moments = [1, 3599, 3600, 3601, 86_399, 86_400, 2 * 86_400]
    return [
        a_request(random, odd=0.1, ago=random.choice(moments)) | {"released": random.random() < 0.2}
        for _ in range(random.choice([0, 1, 2, 3]))
    ]


def facts_of(request: Request) -> Facts:
    return Facts(
        kind=request["kind"],
        requester=request["requester"],
        now=request["at"],
        client=request["client"],
        client_status=request["client.status"],
        segregation=request["segregation"],
        asset=request["asset"],
        decimals=request["decimals"],
        chain=request["chain"],
        destination=request["destination"],
        destination_code=request["destination.code"],
        destination_text=request["address"],
        amount_units=request["units"],
        usd_micros=request["usd"],
        usd_micros_asked=request["usd.asked"],
        price_state=request["price"],
        price_age_seconds=request["price.age"],
        screening=request["screening"],
        collateral=request["collateral"],
        vault_break=request["vault.break"],
        books_age_seconds=request["books.age"],
    )


def past_of(request: Request) -> PastRequest:
    facts = facts_of(request)
    return PastRequest(facts, facts.now, request["released"])
