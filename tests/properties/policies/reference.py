"""A slow second reading of the same documents: plain data, fractions and loops, sharing no code with the engine."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

STATUSES = ("active", "frozen", "defaulted", "closed")
CLOSED = {
    "client.status": STATUSES,
    "segregation": ("segregated", "omnibus"),
    "destination": ("listed", "new", "own"),
    "vault.break": ("open", "none"),
}
MONEY_FIELDS = ("client", "client.status", "segregation", "asset", "chain", "amount", "vault.break", "books.age")
FIELDS = {
    "withdrawal": ("kind", "requester", *MONEY_FIELDS, "destination"),
    "pledge": ("kind", "requester", *MONEY_FIELDS),
    "client_opening": ("kind", "requester", "client", "segregation", "chain"),
    "policy_change": ("kind", "requester"),
}
NEEDED = {
    "withdrawal": ("client", "asset", "chain", "destination", "amount"),
    "pledge": ("client", "asset", "chain", "amount"),
    "client_opening": ("client",),
}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Request = dict[str, Any]
"""Field name to value; ``amount`` is a Fraction of whole units, ``at`` and ``books.age`` are seconds."""


def answer(document: dict[str, Any], request: Request, before: list[Request]) -> tuple[str, dict[str, int], int]:
    """Outcome, approvals and delay in seconds."""
    if request["kind"] not in FIELDS or any(
        value_of(request, name) is None for name in NEEDED.get(request["kind"], ())
    ):
        return "deny", {}, 0
    permits = [rule for rule in document["rules"] if "permit" in rule]
    forbids = [rule for rule in document["rules"] if "forbid" in rule]
    requires = [rule for rule in document["rules"] if "require" in rule]
    if any(truth(rule, request) != "no" for rule in forbids):
        return "deny", {}, 0
    if not any(truth(rule, request) == "yes" and fits(rule, request, before) for rule in permits):
        return "deny", {}, 0
    approvals: dict[str, int] = {}
    delay = 0
    for rule in requires:
        if truth(rule, request) != "no":
            for group, count in rule.get("approvals", {}).items():
                approvals[group] = max(count, approvals.get(group, 0))
            delay = max(delay, duration(rule["delay"]) if "delay" in rule else 0)
    return ("require" if approvals or delay else "allow"), approvals, delay


def value_of(request: Request, name: str) -> Any:
    value = request.get(name)
    if name in CLOSED and value not in CLOSED[name]:
        return None
    if name == "amount" and value is not None and value <= 0:
        return None
    return value


def truth(rule: dict[str, Any], request: Request) -> str:
    answers = [one(name, wanted, request) for name, wanted in rule["match"].items()]
    if "no" in answers:
        return "no"
    return "unknown" if "unknown" in answers else "yes"


def one(name: str, wanted: Any, request: Request) -> str:
    if name not in FIELDS[request["kind"]]:
        return "no"
    if name == "amount":
        return amount_within(wanted, request)
    value = value_of(request, name)
    if value is None:
        return "unknown"
    if name == "books.age":
        low = duration(wanted["above"]) if "above" in wanted else -1
        high = duration(wanted["at_most"]) if "at_most" in wanted else value
        return "yes" if low < value <= high else "no"
    return "yes" if value in (wanted if isinstance(wanted, list) else [wanted]) else "no"


def amount_within(wanted: dict[str, str], request: Request) -> str:
    asset = next(iter(wanted.values())).split(" ")[1]
    if request.get("asset") is None:
        return "unknown"
    if request["asset"] != asset:
        return "no"
    value = value_of(request, "amount")
    if value is None:
        return "unknown"
    above = whole(wanted["above"]) if "above" in wanted else Fraction(-1)
    at_most = whole(wanted["at_most"]) if "at_most" in wanted else value
    return "yes" if above < value <= at_most else "no"


def fits(rule: dict[str, Any], request: Request, before: list[Request]) -> bool:
    limit = rule.get("limit")
    if limit is None:
        return True
    scope = {"destination": "address"}.get(limit["per"], limit["per"])
    if scope != "everyone" and request.get(scope) is None:
        return False
    seen = []
    for past in before:
        inside = past["at"] > request["at"] - duration(limit["window"])
        same = scope == "everyone" or past.get(scope) in (None, request[scope])
        if inside and same and not past["released"] and truth(rule, past) != "no":
            seen.append(past)
    if "count" in limit and len(seen) + 1 > limit["count"]:
        return False
    return "amount" not in limit or sum_fits(limit["amount"], request, seen)


def sum_fits(text: str, request: Request, seen: list[Request]) -> bool:
    asset = text.split(" ")[1]
    if request.get("asset") != asset or value_of(request, "amount") is None:
        return False
    total = value_of(request, "amount")
    for past in seen:
        if past.get("asset") is None or (past["asset"] == asset and value_of(past, "amount") is None):
            return False
        total += past["amount"] if past["asset"] == asset else 0
    return bool(total <= whole(text))


def whole(text: str) -> Fraction:
    return Fraction(text.split(" ")[0])


def duration(text: str) -> int:
    return int(text[:-1]) * SECONDS[text[-1]]
