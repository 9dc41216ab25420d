"""What a person should know before deciding on one intent: each finding with its level, its sentence and its evidence.

``CRITICAL`` stops the hand until a question is answered, ``WARN`` asks for a second look, ``INFO`` is worth knowing,
``OK`` was looked at and is as it should be, and ``ERROR`` could not be looked at: it is never shown as ``OK``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy.orm import Session

from custody.addresses import queries as addresses
from custody.addresses.model import OwnedAddress
from custody.approvals.queries import FiledIntent
from custody.chains.registry import addressing
from custody.clients import queries as clients
from custody.evidence.requests import WithdrawalRequest
from custody.trust.assets import KnownAssets
from custody.views.lookalikes import LISTED, OURS, PAID, Twin, twins
from custody.views.risks import UNUSUAL
from custody.withdrawals import queries as withdrawals

OK: Final = "OK"
INFO: Final = "INFO"
WARN: Final = "WARN"
CRITICAL: Final = "CRITICAL"
ERROR: Final = "ERROR"
LEVELS: Final = (CRITICAL, ERROR, WARN, INFO, OK)
"""The gravest first."""
SPOKEN: Final = {
    CRITICAL: "Critical",
    ERROR: "Could not be checked",
    WARN: "Warning",
    INFO: "Note",
    OK: "Fine",
}
"""Each level as people are told."""

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
    """Every finding on ``filed``, the gravest first, for operators: it names other clients. Four statements at most."""
    facts = filed.decision.facts
    found = [
        Finding(name, level, sentence, f"{fact}: {value}")
        for fact, value, level, name, sentence in _OF_FACTS
        if facts.get(fact) == value
    ]
    found += [*_destination(session, filed), *_amount(session, filed)]
    return sorted(found, key=lambda each: LEVELS.index(each.level))


def with_first_payment(
    found: list[Finding],
    filed: FiledIntent,
    known: Mapping[str, Any] | None,
    *,
    assets: KnownAssets,
    read_out: Mapping[str, Decimal],
) -> list[Finding]:
    """``found``, and before it that the client never paid any of this asset to this address, and now pays as much as
    ``read_out`` says.
    """
    request = filed.intent.request
    if known is None or known["payments"] or not isinstance(request, WithdrawalRequest):
        return found
    asset = assets.of(request.asset)
    size = read_out.get(asset.code)
    if size is None or request.amount < size.scaleb(asset.decimals):
        return found
    sentence = f"The client has never paid {asset.code} to this address, and it is {size:f} {asset.code} or more."
    return [Finding("first-payment-large", CRITICAL, sentence), *found]


def _destination(session: Session, filed: FiledIntent) -> list[Finding]:
    """Whether it is ours, and what it could be taken for."""
    to = getattr(filed.intent.request, "destination", None)
    if not isinstance(to, str):
        return []
    place = (filed.client, to)
    similar = twins(session, places=[place]).get(place, [])
    owned = _ours(session, filed, to)
    named = clients.names(session, clients=[each.client for each in similar] + [owned.client or "" if owned else ""])
    found = [_resembles(each, filed.client, named) for each in similar]
    if owned is not None and isinstance(filed.intent.request, WithdrawalRequest):
        found.append(_pays_us(owned, filed.client, named))
    return found


def _ours(session: Session, filed: FiledIntent, to: str) -> OwnedAddress | None:
    locator = addressing(filed.intent.chain).read_destination(to, field="destination").locator
    return addresses.by_locators(session, [locator]).get(locator)


def _pays_us(owned: OwnedAddress, client: str, named: Mapping[str, str]) -> Finding:
    """A payment that does not leave the house: whose it would be, told plainly."""
    if owned.client == client:
        sentence = "The destination is a deposit address of the same client: the money comes back to it, less the fee."
        return Finding("own-address", WARN, sentence, f"vault {owned.vault}")
    if owned.client:
        whose = f"a deposit address of {named.get(owned.client, owned.client)}: this pays another client of ours"
    else:
        whose = "an address of our own that no client was given: nobody would be credited"
    return Finding("own-address", CRITICAL, f"The destination is {whose}.", f"vault {owned.vault}")


def _resembles(twin: Twin, client: str, named: Mapping[str, str]) -> Finding:
    whose, since = _whose(twin, client, named), f"known since {twin.since:%Y-%m-%d %H:%M} UTC"
    if twin.is_both:
        sentence = f"The destination looks like {whose}, and is another address."
        return Finding(
            "look-alike", CRITICAL, sentence, f"both ends are equal, the middle is not; {since}", twin.address
        )
    end, number = ("begins", twin.shared.head) if twin.shared.head >= twin.shared.tail else ("ends", twin.shared.tail)
    sentence = f"The destination {end} like {whose}, and is another address."
    return Finding("look-alike-end", WARN, sentence, f"{number} characters are equal at one end; {since}", twin.address)


def _whose(twin: Twin, client: str, named: Mapping[str, str]) -> str:
    name = named.get(twin.client, twin.client)
    if twin.among == LISTED or (twin.label and twin.client == client):
        return f"{twin.label}, which is on the client's list"
    if twin.among == PAID:
        return "an address the client has paid"
    if twin.among == OURS:
        return f"a deposit address of {name}" if name else f"an address of our vault {twin.vault}"
    return f"{twin.label}, which is on the list of {name}"


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
