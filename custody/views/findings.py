"""What a person should know before deciding on one intent: each finding with its level, its sentence and its evidence.

``CRITICAL`` stops the hand until a question is answered, ``WARN`` asks for a second look, ``INFO`` is worth knowing,
``OK`` was looked at and is as it should be, and ``ERROR`` could not be looked at: it is never shown as ``OK``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from custody.approvals.queries import FiledIntent
from custody.evidence.lookalikes import similar_to
from custody.listings import queries as listings
from custody.views.risks import UNUSUAL
from custody.withdrawals import queries as withdrawals

OK: Final = "OK"
INFO: Final = "INFO"
WARN: Final = "WARN"
CRITICAL: Final = "CRITICAL"
ERROR: Final = "ERROR"
LEVELS: Final = (CRITICAL, ERROR, WARN, INFO, OK)
"""The gravest first."""

_OF_FACTS: Final = (
    ("client_status", "frozen", CRITICAL, "client-frozen", "The client is frozen."),
    ("client_status", "defaulted", CRITICAL, "client-defaulted", "The client has defaulted."),
    ("vault_break", "open", CRITICAL, "books-in-doubt", "The vault's books and the chain disagree."),
    ("screening", "hit", CRITICAL, "screening-hit", "Screening found something against the destination."),
    ("screening", "review", WARN, "screening-review", "Screening wants a person to look."),
    ("destination", "new", WARN, "destination-new", "The destination is on no list of the client."),
    ("destination", "cooling", WARN, "destination-cooling", "The destination is listed, and its cooling-off runs."),
    ("destination", "unknown", ERROR, "destination-unknown", "Whether the destination is listed is not known."),
    (
        "destination_code",
        "contract",
        INFO,
        "destination-contract",
        "The destination is a contract, not a plain account.",
    ),
    ("price_state", "stale", WARN, "price-stale", "The price behind the value is old."),
    ("price_state", "disputed", WARN, "price-disputed", "The sources of the price disagree."),
    ("price_state", "missing", ERROR, "price-missing", "There is no price: the value in dollars is not known."),
    ("destination", "listed", OK, "destination-listed", "The destination is on the client's list."),
    ("screening", "clear", OK, "screening-clear", "Screening found nothing."),
    ("vault_break", "none", OK, "books-agree", "The vault's books and the chain agree."),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``twin`` is the address that the destination could be taken for."""

    id: str
    level: str
    sentence: str
    evidence: str = ""
    twin: str = ""


def findings(session: Session, filed: FiledIntent) -> list[Finding]:
    """Every finding on ``filed``, the gravest first. Three statements at most."""
    facts = filed.decision.facts
    found = [
        Finding(name, level, sentence, f"{fact}: {value}")
        for fact, value, level, name, sentence in _OF_FACTS
        if facts.get(fact) == value
    ]
    found += [*_lookalike(session, filed), *_amount(session, filed)]
    return sorted(found, key=lambda each: LEVELS.index(each.level))


def _lookalike(session: Session, filed: FiledIntent) -> list[Finding]:
    to = getattr(filed.intent.request, "destination", None)
    if not isinstance(to, str):
        return []
    chain = filed.intent.chain
    known = listings.known_among(session, clients={filed.client}).get((filed.client, chain), [])
    paid = withdrawals.destinations(session, client=filed.client, chain=chain)
    twin = similar_to(to, [*known, *paid])
    if twin is None:
        return []
    label = listings.labels(session, places=[(filed.client, chain, twin)]).get((filed.client, chain, twin))
    whose = f"{label}, which is on the client's list" if label else "an address the client has paid"
    sentence = f"The destination looks like {whose}, and is another address."
    return [Finding("look-alike", CRITICAL, sentence, "both ends are equal, the middle is not", twin)]


def _amount(session: Session, filed: FiledIntent) -> list[Finding]:
    request = filed.intent.request
    units, asset = getattr(request, "amount", None), getattr(request, "asset", None)
    if not isinstance(units, int) or asset is None:
        return []
    before = withdrawals.largest_paid(session, of={(filed.client, asset)}).get((filed.client, asset))
    if before is None:
        return [Finding("first-payment", INFO, "The client has paid none of this asset before.")]
    if units > UNUSUAL * before:
        sentence = f"The amount is {units // before} times the largest payment of late."
        return [Finding("amount-unusual", WARN, sentence)]
    return [Finding("amount-usual", OK, "The amount is one the client has paid before.", "largest payment of late")]
