"""The closed sets of words a policy document and the facts of a request may use."""

from __future__ import annotations

from typing import Final

STATUSES: Final = frozenset({"active", "frozen", "defaulted", "closed"})
SEGREGATIONS: Final = frozenset({"segregated", "omnibus"})
BREAKS: Final = frozenset({"open", "none"})
UNKNOWN_DESTINATION: Final = "unknown"
DESTINATIONS: Final = frozenset({"listed", "new", "cooling", "own", UNKNOWN_DESTINATION})
DESTINATION_CODES: Final = frozenset({"contract", "plain"})
FRESH: Final = "fresh"
PRICE_STATES: Final = frozenset({FRESH, "stale", "disputed", "missing"})
CLEAR: Final = "clear"
SCREENINGS: Final = frozenset({CLEAR, "review", "hit"})
COLLATERALS: Final = frozenset({"none", "met", "short"})

_ALWAYS: Final = frozenset({"kind", "requester", "requester.group", "time"})
_CLIENT: Final = frozenset({"client", "client.group", "client.status", "segregation"})
_WORTH: Final = frozenset({"usd", "price", "price.age"})
_MONEY: Final = frozenset({"asset", "chain", "amount"}) | _WORTH
_BOOKS: Final = frozenset({"vault.break", "books.age"})
_AWAY: Final = frozenset({"destination.code", "screening"})
_TO_OWN: Final = _ALWAYS | _CLIENT | _MONEY | _BOOKS | {"destination"}
_LOCK: Final = _ALWAYS | _CLIENT | _MONEY | _BOOKS | {"collateral"}
_PAYMENT: Final = _TO_OWN | _AWAY | {"collateral"}

FIELDS_OF_KIND: Final[dict[str, frozenset[str]]] = {
    "withdrawal": _PAYMENT,
    "respend": _TO_OWN,
    "sweep": _TO_OWN,
    "stray_return": _ALWAYS | _CLIENT | _MONEY | _AWAY | {"destination"},
    "pledge": _LOCK,
    "pledge_release": _LOCK,
    "pledge_claim": _PAYMENT,
    "manual_entry": _ALWAYS | _CLIENT | _WORTH | {"asset", "amount"},
    "destination_listing": _ALWAYS | _CLIENT | {"chain"},
    "client_opening": _ALWAYS | {"client", "client.group", "segregation", "chain"},
    "freeze": _ALWAYS,
    "unfreeze": _ALWAYS,
    "operator_change": _ALWAYS,
    "group_change": _ALWAYS,
    "policy_change": _ALWAYS,
    "keyset_change": _ALWAYS,
    "root_change": _ALWAYS,
    "break_resolution": _ALWAYS,
    "settlement": _ALWAYS,
    "control_proof": _ALWAYS,
}
"""Every kind of intent, and the fields a rule may read of it. A field outside a kind's set never matches that kind.

``root_change`` is whatever else the trust root holds: assets, services, console, expiry.
"""

KINDS: Final = frozenset(FIELDS_OF_KIND)
FIELDS: Final = frozenset().union(*FIELDS_OF_KIND.values())
TOTAL: Final = "total"
"""What a match calls a sum over a window. It is no field of a kind: it reads the fields that it counts."""

_A_PAYMENT_NAMES: Final = ("client", "asset", "chain", "destination", "amount")
MUST_BE_KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "withdrawal": _A_PAYMENT_NAMES,
    "respend": _A_PAYMENT_NAMES,
    "stray_return": _A_PAYMENT_NAMES,
    "pledge_claim": _A_PAYMENT_NAMES,
    "pledge": ("client", "asset", "chain", "amount"),
    "pledge_release": ("client", "asset", "chain", "amount"),
    "sweep": ("asset", "chain", "destination", "amount"),
    "client_opening": ("client",),
}
"""Facts without which a kind is denied whatever the rules say: nobody permits what nobody can name."""

CLOSED_SETS: Final[dict[str, frozenset[str]]] = {
    "kind": KINDS,
    "client.status": STATUSES,
    "segregation": SEGREGATIONS,
    "destination": DESTINATIONS,
    "destination.code": DESTINATION_CODES,
    "price": PRICE_STATES,
    "screening": SCREENINGS,
    "collateral": COLLATERALS,
    "vault.break": BREAKS,
}
"""Fields whose values are words of a closed set. A fact that is none of them counts as unknown."""

NEVER_PERMITTED: Final[dict[str, frozenset[str]]] = {
    "destination": frozenset({UNKNOWN_DESTINATION}),
    "price": PRICE_STATES - {FRESH},
}
"""Words for what is not known, or not trusted. A ``permit`` may not ask for them, because they never help."""

SCOPES: Final[dict[str, str]] = {
    "client": "client",
    "destination": "destination",
    "asset": "asset",
    "requester": "requester",
    "everyone": "kind",
}
"""What can be counted ``per``, and the field a kind must have for it."""

MEANINGS: Final[dict[str, str]] = {
    "kind": "what is asked for",
    "requester": "who signed the request",
    "requester.group": "the requester is a member of one of these groups of the document",
    "time": "the moment of evaluation lies within, or outside, these times of the week in a zone",
    "client": "whose money it is",
    "client.group": "the client is in one of these of the document's `client_groups`",
    "client.status": "how the client stands",
    "segregation": "whether the client's coins are its own or pooled",
    "asset": "short code of the asset",
    "chain": "CAIP-2 id of the network",
    "amount": "what leaves, without the network fee, in whole units of one asset",
    "usd": "what it is worth in US dollars, now and when it was requested: a `permit` needs both, others either",
    "price": "how far the price behind `usd` can be trusted",
    "price.age": "how old that price is",
    "destination": "where it goes",
    "destination.code": "whether a contract lives at the destination",
    "screening": "what screening says of the destination",
    "collateral": "the client's pledges, after this request",
    "vault.break": "whether the vault has an unexplained difference",
    "books.age": "how long ago the vault was last reconciled",
}
"""What each field is, for the reference."""
