"""A slow second reading of policy documents: plain data, fractions and loops, sharing no code with the engine.

A request is a map of the document's own field names to values, and besides ``units`` and ``decimals`` of its amount,
``usd`` and ``usd.asked`` in millionths, ``address``, and the moment ``at``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from functools import cache
from itertools import permutations
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import yaml

Request = dict[str, Any]
ANYBODY = ["requester", "requester.group", "time"]
CLIENT = ["client", "client.group", "client.status", "segregation"]
MONEY = ["asset", "amount", "usd", "price", "price.age"]
PAYMENT = [*ANYBODY, *CLIENT, *MONEY, "chain", "vault.break", "books.age"]
FIELDS: dict[str, list[str]] = {
    "withdrawal": [*PAYMENT, "destination", "destination.code", "screening", "collateral"],
    "sweep": [*PAYMENT, "destination"],
    "pledge": [*PAYMENT, "collateral"],
    "manual_entry": [*ANYBODY, *CLIENT, *MONEY],
    "client_opening": [*ANYBODY, "client", "client.group", "segregation", "chain"],
    "policy_change": ANYBODY,
    "freeze": ANYBODY,
}
NEEDED = {
    "withdrawal": ["client", "asset", "chain", "destination", "amount"],
    "sweep": ["asset", "chain", "destination", "amount"],
    "pledge": ["client", "asset", "chain", "amount"],
    "client_opening": ["client"],
}
WORDS = {
    "client.status": ["active", "frozen", "defaulted", "closed"],
    "segregation": ["segregated", "omnibus"],
    "destination": ["listed", "new", "cooling", "own"],
    "destination.code": ["contract", "plain"],
    "price": ["fresh", "stale", "disputed", "missing"],
    "screening": ["clear", "review", "hit"],
    "collateral": ["none", "met", "short"],
    "vault.break": ["open", "none"],
}
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


class Answer(NamedTuple):
    outcome: str
    rules: list[tuple[str, str]]
    approvals: dict[str, int]
    delay: int
    roles: list[str]
    screening: bool
    reconciled: int | None


def read(text: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return document


def answer(document: dict[str, Any], request: Request, before: list[Request]) -> Answer:
    """What must come out, by looking at every rule and every past request."""
    found = {title_of(rule): whole_truth(document, rule, request, before) for rule in document["rules"]}
    permits = {title for title, truth in found.items() if title[0] == "permit" and truth == "yes"}
    others = {title for title, truth in found.items() if title[0] != "permit" and truth != "no"}
    nameless = request["kind"] not in FIELDS or any(
        not known(request, field) for field in NEEDED.get(request["kind"], [])
    )
    rules = sorted([*permits, *others, *([("default", "deny what nobody can name")] if nameless else [])])
    if nameless or not permits or any(kind == "forbid" for kind, _ in others):
        return Answer("deny", rules, {}, 0, [], False, None)
    approvals: dict[str, int] = {}
    delays, roles, ages, screening = [0], set(), [], False
    for rule in document["rules"]:
        if title_of(rule) in others:
            for group, count in rule.get("approvals", {}).items():
                approvals[group] = max(count, approvals.get(group, 0))
            delays += [seconds(rule["delay"])] if "delay" in rule else []
            roles.update(listed(rule.get("roles", [])))
            screening = screening or "screening" in rule
            ages += [seconds(rule["reconciled"])] if "reconciled" in rule else []
    asks = bool(approvals or max(delays) or roles or screening or ages)
    outcome = "require" if asks else "allow"
    return Answer(outcome, rules, approvals, max(delays), sorted(roles), screening, min(ages) if ages else None)


def enough(document: dict[str, Any], wanted: Answer, people: list[str], requester: str | None) -> bool:
    """Whether some seating of ``people`` fills every place, and every role is held by somebody who counts."""
    places = [group for group, count in sorted(wanted.approvals.items()) for _ in range(count)]
    theirs = document["groups"]
    there = sorted(set(people) - {requester})
    holders = document.get("roles", {})
    counting = [
        person
        for person in there
        if any(person in theirs[group] for group in places) or any(person in holders[role] for role in wanted.roles)
    ]
    if not all(any(person in holders[role] for person in counting) for role in wanted.roles):
        return False
    return any(
        all(person in theirs[group] for person, group in zip(seated, places, strict=True))
        for seated in permutations(counting, len(places))
    )


def title_of(rule: dict[str, Any]) -> tuple[str, str]:
    kind = next(name for name in ("permit", "forbid", "require") if name in rule)
    return kind, rule[kind]


def whole_truth(document: dict[str, Any], rule: dict[str, Any], request: Request, before: list[Request]) -> str:
    truth = bare_truth(document, rule, request)
    if truth == "no" or (truth == "unknown" and "permit" in rule):
        return truth
    for total in listed(rule["match"].get("total", [])):
        seen = seen_in(document, rule, total, request, before)
        truth = both(truth, total_truth(total, request, seen))
    if truth == "yes" and "limit" in rule:
        limit = rule["limit"]
        seen = seen_in(document, rule, limit, request, before)
        caps = [{**limit, name: {"at_most": limit[name]}} for name in ("amount", "usd", "count") if name in limit]
        if seen is None:
            return "unknown"
        for cap in caps:
            only = {name: value for name, value in cap.items() if isinstance(value, dict) or name in ("per", "window")}
            truth = both(truth, "no" if over(only, request, seen) else total_truth(only, request, seen))
    return truth


def over(cap: dict[str, Any], request: Request, seen: list[Request]) -> bool:
    """A permit's limit in dollars needs both values within, so a higher one that is above is above."""
    values, past = dollars(request), [dollars(other) for other in seen]
    if "usd" not in cap or values is None or None in past:
        return False
    return max(values) + sum(max(pair) for pair in past if pair) > micros(cap["usd"]["at_most"])


def both(one: str, other: str) -> str:
    return "no" if "no" in (one, other) else "unknown" if "unknown" in (one, other) else "yes"


def bare_truth(document: dict[str, Any], rule: dict[str, Any], request: Request) -> str:
    if request["kind"] not in FIELDS:
        return "unknown"
    if "kind" in rule["match"] and request["kind"] not in listed(rule["match"]["kind"]):
        return "no"
    if not all(field in FIELDS[request["kind"]] for field in fields_of(rule)):
        return "no"
    truth = "yes"
    for field, wanted in rule["match"].items():
        if field not in ("kind", "total"):
            truth = both(truth, one_truth(document, field, wanted, request))
    return truth


def fields_of(rule: dict[str, Any]) -> list[str]:
    fields = [field for field in rule["match"] if field not in ("kind", "total")]
    for window in [*listed(rule["match"].get("total", [])), *([rule["limit"]] if "limit" in rule else [])]:
        fields += [window["per"]] if window["per"] != "everyone" else []
        fields += ["asset", "amount"] if "amount" in window else []
        fields += ["usd"] if "usd" in window else []
    return fields


def one_truth(document: dict[str, Any], field: str, wanted: Any, request: Request) -> str:
    if field == "amount":
        return amount_truth(wanted, request, units_of(request))
    if field == "usd":
        return usd_truth(wanted, dollars(request))
    if field in ("books.age", "price.age"):
        age = request[field]
        return "unknown" if age is None or age < 0 else between(age, wanted, seconds)
    if field == "time":
        return time_truth(wanted, request["at"])
    if field in ("requester.group", "client.group"):
        groups = document["groups" if field == "requester.group" else "client_groups"]
        wanted = [person for group in listed(wanted) for person in groups[group]]
        field = field.split(".")[0]
    if not known(request, field):
        return "unknown"
    return "yes" if request[field] in listed(wanted) else "no"


def known(request: Request, field: str) -> bool:
    if field == "amount":
        return units_of(request) is not None and decimals_of(request) is not None
    value = request.get(field)
    return value in WORDS[field] if field in WORDS else value not in (None, "")


def units_of(request: Request) -> int | None:
    return request["units"] if request["units"] is not None and request["units"] > 0 else None


def decimals_of(request: Request) -> int | None:
    return request["decimals"] if request["decimals"] is not None and 0 <= request["decimals"] <= 77 else None


def dollars(request: Request) -> list[int] | None:
    """Both values, if they can be trusted."""
    now, asked = request["usd"], request["usd.asked"]
    values = [now, now if asked is None else asked]
    if now is None or request["price"] != "fresh" or min(values) <= 0:
        return None
    return values


def amount_truth(wanted: dict[str, str], request: Request, units: int | None) -> str:
    asset = next(iter(wanted.values())).split(" ")[1]
    if request["asset"] is not None and request["asset"] != asset:
        return "no"
    decimals = decimals_of(request)
    if request["asset"] is None or units is None or decimals is None:
        return "unknown"
    return between(Fraction(units, 10**decimals), wanted, lambda text: Fraction(text.split(" ")[0]))


def usd_truth(wanted: dict[str, Any], values: list[int] | None) -> str:
    if values is None:
        return "unknown"
    answers = {between(value, wanted, micros) for value in values}
    return answers.pop() if len(answers) == 1 else "unknown"


def between(value: Any, wanted: dict[str, Any], number: Any) -> str:
    above = "above" not in wanted or value > number(wanted["above"])
    at_most = "at_most" not in wanted or value <= number(wanted["at_most"])
    return "yes" if above and at_most else "no"


def time_truth(wanted: dict[str, Any], at: datetime) -> str:
    there = at.astimezone(zone(wanted["zone"]))
    side = "within" if "within" in wanted else "outside"
    inside = any(in_span(span, there) for span in listed(wanted[side]))
    return "yes" if inside == (side == "within") else "no"


def in_span(span: str, there: datetime) -> bool:
    days, clock = span.split(" ")
    first, last = days.split("-") if "-" in days else (days, days)
    start, end = clock.split("-")
    today = DAYS[there.weekday()] in DAYS[DAYS.index(first) : DAYS.index(last) + 1]
    return today and start <= f"{there.hour:02}:{there.minute:02}" < end


def seen_in(
    document: dict[str, Any], rule: dict[str, Any], window: dict[str, Any], request: Request, before: list[Request]
) -> list[Request] | None:
    """Past requests that count in a window of a rule; ``None`` where nobody knows under which key."""
    key = key_of(window, request)
    since = request["at"] - timedelta(seconds=seconds(window["window"]))
    if key is None:
        return None
    return [
        past
        for past in before
        if past["at"] > since and not past["released"] and key_of(window, past) in (key, None)
        if bare_truth(document, rule, past) != "no"
    ]


def key_of(window: dict[str, Any], request: Request) -> str | None:
    if window["per"] == "everyone":
        return "everyone"
    return request["address" if window["per"] == "destination" else window["per"]] or None


def total_truth(total: dict[str, Any], request: Request, seen: list[Request] | None) -> str:
    if "amount" in total:
        return amount_truth(total["amount"], request, None if seen is None else sum_of(request, seen))
    if seen is None:
        return "unknown"
    if "count" in total:
        return between(len(seen) + 1, total["count"], int)
    values, past = dollars(request), [dollars(other) for other in seen]
    if values is None or None in past:
        return "unknown"
    return usd_truth(total["usd"], [value + sum(max(pair) for pair in past if pair) for value in values])


def sum_of(request: Request, seen: list[Request]) -> int | None:
    total = units_of(request)
    for past in seen:
        if past["asset"] == request["asset"] or past["asset"] is None:
            units = units_of(past)
            if total is None or units is None or past["asset"] is None or past["decimals"] != request["decimals"]:
                return None
            total += units
    return total


@cache
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def seconds(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]]


def micros(text: Any) -> Fraction:
    return Fraction(str(text).replace("_", "")) * 10**6


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
