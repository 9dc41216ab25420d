"""The closed sets of words a policy document and the facts of a request may use."""

from __future__ import annotations

from typing import Final

STATUSES: Final = frozenset({"active", "frozen", "defaulted", "closed"})
SEGREGATIONS: Final = frozenset({"segregated", "omnibus"})
BREAKS: Final = frozenset({"open", "none"})
UNKNOWN_DESTINATION: Final = "unknown"
DESTINATIONS: Final = frozenset({"listed", "new", "own", UNKNOWN_DESTINATION})

_ALWAYS: Final = frozenset({"kind", "requester"})
_CLIENT: Final = frozenset({"client", "client.status", "segregation"})
_MONEY: Final = frozenset({"asset", "chain", "amount"})
_BOOKS: Final = frozenset({"vault.break", "books.age"})
_PAYMENT: Final = _ALWAYS | _CLIENT | _MONEY | _BOOKS | {"destination"}
_LOCK: Final = _ALWAYS | _CLIENT | _MONEY | _BOOKS

FIELDS_OF_KIND: Final[dict[str, frozenset[str]]] = {
    "withdrawal": _PAYMENT,
    "respend": _PAYMENT,
    "sweep": _PAYMENT,
    "stray_return": _ALWAYS | _CLIENT | _MONEY | {"destination"},
    "pledge": _LOCK,
    "pledge_release": _LOCK,
    "pledge_claim": _PAYMENT,
    "manual_entry": _ALWAYS | _CLIENT | {"asset", "amount"},
    "destination_listing": _ALWAYS | _CLIENT | {"chain"},
    "client_opening": _ALWAYS | {"client", "segregation", "chain"},
    "freeze": _ALWAYS,
    "unfreeze": _ALWAYS,
    "operator_change": _ALWAYS,
    "group_change": _ALWAYS,
    "policy_change": _ALWAYS,
    "keyset_change": _ALWAYS,
    "break_resolution": _ALWAYS,
    "settlement": _ALWAYS,
    "control_proof": _ALWAYS,
}
"""Every kind of intent, and the fields a rule may read of it. A field outside a kind's set never matches that kind."""

KINDS: Final = frozenset(FIELDS_OF_KIND)
FIELDS: Final = frozenset().union(*FIELDS_OF_KIND.values())

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

SCOPES: Final[dict[str, str]] = {
    "client": "client",
    "destination": "destination",
    "asset": "asset",
    "requester": "requester",
    "everyone": "kind",
}
"""What a limit can be counted ``per``, and the field a kind must have for it."""
