"""What the engine reads in the facts of a request: a value, or ``None`` where there is none it can trust."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Final

from policies.facts import Facts
from policies.vocabulary import CLOSED_SETS, FRESH, UNKNOWN_DESTINATION

MAX_DECIMALS: Final = 77
EVERYONE: Final = "everyone"


def known_amount(facts: Facts) -> int | None:
    """The amount in base units, ``None`` where it is missing or not positive."""
    return facts.amount_units if facts.amount_units is not None and facts.amount_units > 0 else None


def known_decimals(facts: Facts) -> int | None:
    """The asset's decimals, ``None`` where they are missing or no asset could have them."""
    return facts.decimals if facts.decimals is not None and 0 <= facts.decimals <= MAX_DECIMALS else None


def known_usd(facts: Facts) -> tuple[int, int] | None:
    """The lower and the higher of the values now and when asked, in millionths; both the same where only now is known.

    ``None`` where the price is not known to be fresh, the present value is missing, or a value is not positive.
    """
    now, asked = facts.usd_micros, facts.usd_micros_asked
    if now is None or now <= 0 or facts.price_state != FRESH:
        return None
    if asked is None:
        return now, now
    return (min(now, asked), max(now, asked)) if asked > 0 else None


def known_age(facts: Facts, field: str) -> int | None:
    """Seconds of ``books.age`` or ``price.age``, ``None`` where they are missing or negative."""
    age = facts.books_age_seconds if field == "books.age" else facts.price_age_seconds
    return age if age is not None and age >= 0 else None


def value_of(facts: Facts, field: str) -> str | None:
    """The word or id that ``facts`` have for a field of sets; ``None`` where it is missing or not in its vocabulary."""
    value = getattr(facts, READ[field]) or None
    closed = CLOSED_SETS.get(field)
    if closed is not None and (value not in closed or value == UNKNOWN_DESTINATION):
        return None
    return value


def value_known(facts: Facts, field: str) -> bool:
    """Whether a rule that reads ``field`` would find something to read."""
    if field == "amount":
        return known_amount(facts) is not None and known_decimals(facts) is not None
    return value_of(facts, field) is not None


def key_under(per: str, facts: Facts) -> str | None:
    """What requests are counted together under, for one of ``SCOPES``; ``None`` where that is unknown."""
    return KEYS[per](facts) or None


READ: Final[dict[str, str]] = {
    "kind": "kind",
    "requester": "requester",
    "requester.group": "requester",
    "client": "client",
    "client.group": "client",
    "client.status": "client_status",
    "segregation": "segregation",
    "asset": "asset",
    "chain": "chain",
    "destination": "destination",
    "destination.code": "destination_code",
    "price": "price_state",
    "screening": "screening",
    "collateral": "collateral",
    "vault.break": "vault_break",
}
"""Fields of sets, and the fact each reads; a group's members are ids, so it reads whose group it is."""
KEYS: Final[dict[str, Callable[[Facts], str | None]]] = {
    "client": attrgetter("client"),
    "destination": attrgetter("destination_text"),
    "asset": attrgetter("asset"),
    "requester": attrgetter("requester"),
    EVERYONE: lambda _facts: EVERYONE,
}
"""What is read for each of ``SCOPES``; nothing, or an empty text, is unknown."""
