"""Facts as a table of cases writes them: the fields of a policy document, each with one value.

``amount: "0.05 BTC"``, ``usd: 1_000``, ``usd.asked: "999.5"`` (its worth when it was requested), ``price.age: 10m``,
``time: "2026-01-17T22:00:00Z"`` (the moment of evaluation), ``address`` (the destination's text). Who gives a value in
dollars and no ``price`` means a fresh one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from custody.kernel.clock import parse_rfc3339
from custody.kernel.errors import InvalidInput
from policies.quantities import read_duration, read_threshold, read_usd
from policies.strict_yaml import Item, listed
from policies.vocabulary import CLOSED_SETS, FRESH

UNKNOWN: Final = "unknown"


def fact_values(entries: Mapping[str, Item], decimals: Mapping[str, int]) -> dict[str, Any]:
    """Attributes of ``Facts`` to their values, ``None`` where it is written unknown. Raises ``PolicyError``."""
    values: dict[str, Any] = {"price_state": FRESH} if "usd" in entries else {}
    for name, item in entries.items():
        if item.value == UNKNOWN and name not in _ALWAYS:
            values[_ATTRIBUTE[name]] = None
        elif name == "amount":
            values |= _amount(item, decimals)
        else:
            values[_ATTRIBUTE[name]] = _READERS[name](item) if name in _READERS else _word(name, item)
    return values


_ATTRIBUTE: Final = {
    "kind": "kind",
    "requester": "requester",
    "client": "client",
    "client.status": "client_status",
    "segregation": "segregation",
    "asset": "asset",
    "chain": "chain",
    "destination": "destination",
    "destination.code": "destination_code",
    "address": "destination_text",
    "amount": "amount_units",
    "usd": "usd_micros",
    "usd.asked": "usd_micros_asked",
    "price": "price_state",
    "price.age": "price_age_seconds",
    "screening": "screening",
    "collateral": "collateral",
    "vault.break": "vault_break",
    "books.age": "books_age_seconds",
    "time": "now",
}
FACTS: Final = frozenset(_ATTRIBUTE)
"""Every name a case may give a value."""


_ALWAYS: Final = ("kind", "requester", "time")


def _moment(item: Item) -> object:
    try:
        return parse_rfc3339(item.value, field=item.field)
    except InvalidInput:
        item.refuse("not a moment", accepted='UTC as RFC 3339 writes it, "2026-01-17T22:00:00Z"')


_READERS: Final[dict[str, Callable[[Item], object]]] = {
    "usd": read_usd,
    "usd.asked": read_usd,
    "price.age": read_duration,
    "books.age": read_duration,
    "time": _moment,
}


def _word(name: str, item: Item) -> str:
    closed = CLOSED_SETS.get(name)
    return item.text() if closed is None or name == "kind" else item.one_of(closed)


def _amount(item: Item, decimals: Mapping[str, int]) -> dict[str, Any]:
    amount = read_threshold(item)
    if amount.asset not in decimals:
        item.refuse(f"{amount.asset} has no decimals here", accepted=f"an asset of this table: {listed(decimals)}")
    places = decimals[amount.asset]
    units = amount.floor_units(places)
    if amount.below(units + 1, places) is False or amount.places > places:
        item.refuse(f"more decimals than {amount.asset} has", accepted=f"at most {places} decimals")
    return {"asset": amount.asset, "decimals": places, "amount_units": units}
