"""How much of what a document can tell apart is denied: a count over requests drawn evenly from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from policies.analysis.alphabet import Alphabet
from policies.analysis.models import USUAL_DECIMALS
from policies.analysis.witness import ATTRIBUTES
from policies.conditions import AgeWithin, AmountWithin, UsdWithin
from policies.decision import Outcome
from policies.document import Document
from policies.engine import evaluate
from policies.facts import Facts, nothing_used
from policies.vocabulary import FIELDS_OF_KIND

DRAWN: Final = 400
"""Requests of each kind."""


def denied_of_drawn(document: Document, alphabet: Alphabet, kinds: Sequence[str]) -> dict[str, int]:
    """Kind to how many of ``DRAWN`` requests are denied; nothing was used before any of them.

    Every value of a field is as likely as any other, and so is every number at, just below and just above a bound of
    the document. The same document draws the same requests.
    """
    values = _values(document, alphabet)
    shares = {}
    for kind in kinds:
        requests = (_request(kind, index, values) for index in range(DRAWN))
        shares[kind] = sum(evaluate(document, facts, nothing_used).outcome is Outcome.DENY for facts in requests)
    return shares


def _values(document: Document, alphabet: Alphabet) -> Mapping[str, Sequence[Any]]:
    bounds: dict[str, set[int]] = {"usd": {1_000_000}, "books.age": {60}, "price.age": {60}, "amount": {1}}
    for condition in (item for rule in document.rules for item in rule.match.conditions):
        if isinstance(condition, AmountWithin):
            bounds["amount"].update(bound.floor_units(USUAL_DECIMALS) for bound in condition.bounds())
        elif isinstance(condition, UsdWithin | AgeWithin):
            numbers = [number for number in (condition.above, condition.at_most) if number is not None]
            bounds[condition.field].update(numbers)
    around = {field: sorted({n + step for n in found for step in (-1, 0, 1)}) for field, found in bounds.items()}
    return {**alphabet.values, **around, "time": [moment.at for moment in alphabet.moments]}


def _request(kind: str, index: int, values: Mapping[str, Sequence[Any]]) -> Facts:
    def drawn(field: str) -> Any:
        digest = sha256(f"{kind} {index} {field}".encode()).digest()
        return values[field][int.from_bytes(digest[:8]) % len(values[field])]

    has = FIELDS_OF_KIND[kind]
    known = {name: drawn(field) for field, name in ATTRIBUTES.items() if field in has}
    return Facts(
        kind=kind,
        requester=drawn("requester"),
        now=drawn("time"),
        decimals=USUAL_DECIMALS,
        destination_text="anywhere",
        **known,
    )
