"""The nine places of the console, each with the key that leads there and the pages beneath it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Place:
    """One word of the navigation. ``letter`` after ``g`` leads there; ``beneath`` are ``(word, path)``."""

    word: str
    path: str
    letter: str
    beneath: tuple[tuple[str, str], ...] = ()


QUEUE: Final = "/console"
SIGN_IN: Final = "/console/sign-in"
FREEZES: Final = "/console/freezes"
HELP: Final = "/console/help"

PLACES: Final = (
    Place("Queue", QUEUE, "q"),
    Place("Clients", "/console/clients", "c", (("Destinations", "/console/destinations"),)),
    Place("Vaults", "/console/vaults", "v"),
    Place("Books", "/console/books", "b", (("Deposits", "/console/deposits"), ("Withdrawals", "/console/withdrawals"))),
    Place("Reconciliation", "/console/reconciliation", "r", (("Stuck", "/console/stuck"),)),
    Place("Policy", "/console/policy", "p", (("Freezes", FREEZES),)),
    Place("People", "/console/people", "e", (("Your passkeys", "/console/passkeys"),)),
    Place("Audit", "/console/audit", "a"),
    Place("Health", "/console/health", "h", (("Webhooks", "/console/webhooks"), ("Notices", "/console/notices"))),
)
"""In the order they are shown. A page says which word it stands under (``current``)."""
