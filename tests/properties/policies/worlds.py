"""Random documents, requests and pasts, small enough that boundaries and clashes are hit often."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any

from policies.facts import Facts
from policies.windows import PastRequest

Request = dict[str, Any]
"""Field name to value; ``units`` and ``amount`` are the same number, ``at`` and ``books.age`` are seconds."""
MONEY_FIELDS = ("client", "client.status", "segregation", "asset", "chain", "amount", "vault.break", "books.age")
FIELDS = {
    "withdrawal": ("kind", "requester", *MONEY_FIELDS, "destination"),
    "pledge": ("kind", "requester", *MONEY_FIELDS),
    "client_opening": ("kind", "requester", "client", "segregation", "chain"),
    "policy_change": ("kind", "requester"),
}
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
DECIMALS = {"BTC": 2, "USDC": 1}
AMOUNTS = ("0.01", "0.1", "0.5", "0.505", "1", "1.01", "2")
GROUPS = {"operators": ["alice", "bob", "carol"], "risk": ["carol", "dan"]}
DAY = 86_400
SCOPES = {"withdrawal": ["client", "destination", "asset", "requester", "everyone"], "pledge": ["client", "asset"]}


def a_document(random: Random) -> dict[str, Any]:
    rules = [a_rule(random, title=f"rule {number}") for number in range(random.randint(1, 7))]
    return {"policy": "random", "version": 1, "groups": GROUPS, "rules": rules}


def a_rule(random: Random, *, title: str, kind: str | None = None) -> dict[str, Any]:
    kind = kind or random.choice(["permit", "permit", "permit", "forbid", "require", "require"])
    about = random.choice(
        [[], ["withdrawal"], ["withdrawal"], ["withdrawal", "pledge"], ["client_opening"], ["policy_change"]]
    )
    rule: dict[str, Any] = {kind: title, "match": a_match(random, about, least=2 if kind == "forbid" else 0)}
    if kind == "permit" and about in (["withdrawal"], ["withdrawal", "pledge"]) and random.random() < 0.6:
        rule["limit"] = a_limit(random, about[-1])
    if kind == "require":
        rule |= random.choice(
            [{"approvals": {"operators": 2}}, {"approvals": {"operators": 1, "risk": 1}}, {"delay": "1h"}]
        )
    return rule


def text_of(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1)


def a_match(random: Random, about: list[str], least: int) -> dict[str, Any]:
    able = set(FIELDS["withdrawal"]).intersection(*(FIELDS[kind] for kind in about)) - {"kind"}
    count = min(len(able), random.choice([0, 0, 1, 1, 2, 3]) + least)
    fields = random.sample(sorted(able), max(count, 0 if about else 1))
    match: dict[str, Any] = {name: a_wish(random, name) for name in fields}
    return match | ({"kind": about if len(about) > 1 else about[0]} if about else {})


def a_wish(random: Random, name: str) -> Any:
    if name in ("amount", "books.age"):
        low, high = sorted(random.sample(range(len(AMOUNTS)), 2))
        asset = random.choice(list(DECIMALS))
        scale = (
            [f"{value} {asset}" for value in AMOUNTS]
            if name == "amount"
            else ["1s", "59s", "1m", "1h", "2h", "5h", "1d"]
        )
        both = {"above": scale[low], "at_most": scale[high]}
        return random.choice([both, {"above": both["above"]}, {"at_most": both["at_most"]}])
    values = random.sample(VALUES[name], random.randint(1, len(VALUES[name]) - 1))
    return values if len(values) > 1 else values[0]


def a_limit(random: Random, kind: str) -> dict[str, Any]:
    caps = random.choice([["amount"], ["count"], ["amount", "count"]])
    cap = {"amount": f"{random.choice(AMOUNTS)} {random.choice(list(DECIMALS))}", "count": random.randint(1, 3)}
    return {"per": random.choice(SCOPES[kind]), "window": random.choice(["1h", "24h", "2d"])} | {
        c: cap[c] for c in caps
    }


VALUES: dict[str, list[str]] = {
    "requester": ["exchange", "alice"],
    "client": ["acme", "bolt"],
    "client.status": ["active", "frozen", "closed"],
    "segregation": ["segregated", "omnibus"],
    "asset": ["BTC", "USDC"],
    "chain": ["one", "two"],
    "destination": ["listed", "new", "own"],
    "vault.break": ["open", "none"],
}
ODD: dict[str, list[str | None]] = {
    "client": [None],
    "client.status": [None, "limbo"],
    "segregation": [None, "both"],
    "asset": [None],
    "chain": [None],
    "destination": [None, "unknown", "moon"],
    "vault.break": [None, "maybe"],
}


def a_request(random: Random, *, odd: float = 0.04, at: int = 10 * DAY) -> Request:
    request: Request = {"kind": random.choice(["withdrawal"] * 5 + ["pledge", "client_opening", "policy_change"])}
    for name, values in VALUES.items():
        strange = name in ODD and random.random() < odd
        request[name] = random.choice(ODD[name]) if strange else random.choice(values)
    units = random.choice([1, 2, 5, 10, 50, 51, 100, 101, 200, 0, -1]) if random.random() > odd else None
    request["units"] = units
    scale = 10 ** DECIMALS.get(request["asset"], 0)
    request["amount"] = None if units is None else Fraction(units, scale)
    request["books.age"] = random.choice([0, 1, 59, 60, 61, 3600, 7200, 7201]) if random.random() > odd else None
    request["address"] = random.choice(["here", "there"]) if random.random() > odd else None
    return request | {"at": at}


def a_past(random: Random) -> list[Request]:
    now = 10 * DAY
    moments = [now - 1, now - 3599, now - 3600, now - 3601, now - DAY + 1, now - DAY, now - 2 * DAY]
    return [
        a_request(random, odd=0.01, at=random.choice(moments)) | {"released": random.random() < 0.2}
        for _ in range(random.choice([0, 1, 2, 4]))
    ]


def facts_of(request: Request) -> Facts:
    return Facts(
        kind=request["kind"],
        requester=request["requester"],
        now=EPOCH + timedelta(seconds=request["at"]),
        client=request["client"],
        client_status=request["client.status"],
        segregation=request["segregation"],
        asset=request["asset"],
        decimals=DECIMALS.get(request["asset"], 0),
        chain=request["chain"],
        destination=request["destination"],
        destination_text=request["address"],
        amount_units=request["units"],
        vault_break=request["vault.break"],
        books_age_seconds=request["books.age"],
    )


def past_of(request: Request) -> PastRequest:
    facts = facts_of(request)
    return PastRequest(facts, facts.now, request["released"])
