"""What a rule's ``match`` may say: one condition per field, each true, false or unknown of a request.

A rule matches when all its conditions hold. One that is known to be false decides; otherwise one that is unknown
leaves the match unknown, and ``permit`` then does not match while ``forbid`` and ``require`` do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from policies.decision import duration_words
from policies.facts import Facts
from policies.quantities import Threshold, read_duration, read_threshold
from policies.strict_yaml import Item, listed
from policies.vocabulary import (
    BREAKS,
    DESTINATIONS,
    FIELDS,
    FIELDS_OF_KIND,
    KINDS,
    SEGREGATIONS,
    STATUSES,
    UNKNOWN_DESTINATION,
)

MAX_DECIMALS: Final = 77


class Condition(Protocol):
    """One field's part of a match."""

    @property
    def field(self) -> str:
        """The field it reads, as documents write it."""

    @property
    def words(self) -> str:
        """The condition in plain words, for traces."""

    def holds(self, facts: Facts) -> bool | None:
        """Whether it is true of a request whose kind has this field; ``None`` where the fact is unknown."""


@dataclass(frozen=True, slots=True)
class Among:
    """The field's value is one of a set."""

    field: str
    values: frozenset[str]
    words: str

    def holds(self, facts: Facts) -> bool | None:
        """Set membership; unknown where the fact is missing or outside its vocabulary."""
        value = _VALUE_OF[self.field](facts)
        return None if value is None else value in self.values


@dataclass(frozen=True, slots=True)
class AmountWithin:
    """The amount is in one asset, strictly more than ``above`` and not more than ``at_most``."""

    above: Threshold | None
    at_most: Threshold | None
    words: str
    field: str = "amount"

    def holds(self, facts: Facts) -> bool | None:
        """False for another asset; unknown where asset, decimals or amount are missing or not positive."""
        if facts.asset is not None and facts.asset != self.asset:
            return False
        units, decimals = known_amount(facts), known_decimals(facts)
        if facts.asset is None or units is None or decimals is None:
            return None
        if self.above is not None and not self.above.below(units, decimals):
            return False
        return self.at_most is None or not self.at_most.below(units, decimals)

    @property
    def asset(self) -> str:
        """Short code of the asset both bounds are in."""
        bound = self.above or self.at_most
        assert bound is not None
        return bound.asset

    def bounds(self) -> Iterable[Threshold]:
        """The numbers at which the answer changes."""
        return [bound for bound in (self.above, self.at_most) if bound is not None]


@dataclass(frozen=True, slots=True)
class AgeWithin:
    """The last reconciliation is strictly older than ``above`` seconds and not older than ``at_most``."""

    above: int | None
    at_most: int | None
    words: str
    field: str = "books.age"

    def holds(self, facts: Facts) -> bool | None:
        """Unknown where the vault was never reconciled or the age is negative."""
        age = facts.books_age_seconds
        if age is None or age < 0:
            return None
        return (self.above is None or age > self.above) and (self.at_most is None or age <= self.at_most)


@dataclass(frozen=True, slots=True)
class Match:
    """All conditions of one rule."""

    conditions: tuple[Condition, ...]
    kinds: frozenset[str]
    """Kinds of request the rule can be about: those named, or all that have every field it reads."""

    def holds(self, facts: Facts) -> bool | None:
        """True, false or unknown of ``facts``."""
        if facts.kind not in self.kinds:
            return False if facts.kind in KINDS else None
        unknown = False
        for condition in self.conditions:
            truth = condition.holds(facts)
            if truth is False:
                return False
            unknown = unknown or truth is None
        return None if unknown else True

    def failing(self, facts: Facts) -> list[Condition]:
        """The conditions that are not known to be true."""
        return [condition for condition in self.conditions if condition.holds(facts) is not True]

    def apart_from_amount(self) -> Match:
        """The same match for a request of any amount."""
        return Match(tuple(item for item in self.conditions if item.field != "amount"), self.kinds)


def read_match(item: Item, *, also: Iterable[str] = (), permits: bool = False) -> Match:
    """Read a rule's ``match``. ``also`` are fields the rest of the rule reads. Raises ``PolicyError``.

    Every kind that is named must have every field; where none is named, some kind must. A ``permit`` may not ask
    for an unknown destination, because what is unknown never helps.
    """
    entries = item.mapping()
    if not entries:
        item.refuse("an empty match", accepted=f"at least one of {listed(FIELDS)}")
    conditions = tuple(_read_condition(name, entry) for name, entry in entries.items())
    if permits and "destination" in entries:
        _refuse_unknown_destination(entries["destination"])
    kinds = _kinds(item, entries, {*entries, *also})
    return Match(tuple(sorted(conditions, key=lambda condition: _ORDER[condition.field])), kinds)


def known_amount(facts: Facts) -> int | None:
    """The amount in base units, ``None`` where it is missing or not positive."""
    return facts.amount_units if facts.amount_units is not None and facts.amount_units > 0 else None


def known_decimals(facts: Facts) -> int | None:
    """The asset's decimals, ``None`` where they are missing or no asset could have them."""
    return facts.decimals if facts.decimals is not None and 0 <= facts.decimals <= MAX_DECIMALS else None


def value_known(facts: Facts, field: str) -> bool:
    """Whether a rule that reads ``field`` would find something to read."""
    if field == "amount":
        return known_amount(facts) is not None and known_decimals(facts) is not None
    return _VALUE_OF[field](facts) is not None


def _within(value: str | None, vocabulary: frozenset[str]) -> str | None:
    return value if value in vocabulary else None


def _destination(facts: Facts) -> str | None:
    return None if facts.destination == UNKNOWN_DESTINATION else _within(facts.destination, DESTINATIONS)


_VALUE_OF: Final[dict[str, Callable[[Facts], str | None]]] = {
    "kind": lambda facts: _within(facts.kind, KINDS),
    "requester": lambda facts: facts.requester or None,
    "client": lambda facts: facts.client or None,
    "client.status": lambda facts: _within(facts.client_status, STATUSES),
    "segregation": lambda facts: _within(facts.segregation, SEGREGATIONS),
    "asset": lambda facts: facts.asset or None,
    "chain": lambda facts: facts.chain or None,
    "destination": _destination,
    "vault.break": lambda facts: _within(facts.vault_break, BREAKS),
}
CLOSED_SETS: Final[dict[str, frozenset[str]]] = {
    "kind": KINDS,
    "client.status": STATUSES,
    "segregation": SEGREGATIONS,
    "destination": DESTINATIONS,
    "vault.break": BREAKS,
}
_ORDER: Final = {name: place for place, name in enumerate([*_VALUE_OF, "amount", "books.age"])}


def _read_condition(name: str, item: Item) -> Condition:
    if name == "usd":
        item.refuse(
            "limits in US dollars need price marks, which this version does not read",
            accepted='amount: {above: "0.5 BTC", at_most: "1 BTC"}',
        )
    if name not in FIELDS:
        item.refuse(f'unknown field "{name[:40]}"', accepted=listed(FIELDS))
    if name == "amount":
        return _read_amount(item)
    return _read_age(item) if name == "books.age" else _read_set(name, item)


def _read_set(name: str, item: Item) -> Among:
    vocabulary = CLOSED_SETS.get(name)
    entries = item.one_or_more()
    values = [entry.text() if vocabulary is None else entry.one_of(vocabulary) for entry in entries]
    if len(set(values)) != len(values):
        item.refuse("the same value twice", accepted="each value once")
    return Among(name, frozenset(values), f"{name} is {' or '.join(sorted(values))}")


def _read_amount(item: Item) -> AmountWithin:
    bounds = item.mapping(_BOUNDS)
    above, at_most = (read_threshold(bounds[name]) if name in bounds else None for name in ("above", "at_most"))
    if above is None and at_most is None:
        item.refuse("no bound", accepted="above, at_most or both")
    if above and at_most and (above.asset != at_most.asset or not above.below(at_most.digits, at_most.places)):
        item.refuse("bounds that leave nothing between them", accepted="above less than at_most, in one asset")
    words = _bound_words("amount", *(bound.written if bound else None for bound in (above, at_most)))
    return AmountWithin(above, at_most, words)


def _read_age(item: Item) -> AgeWithin:
    bounds = item.mapping(_BOUNDS)
    above, at_most = (read_duration(bounds[name]) if name in bounds else None for name in ("above", "at_most"))
    if above is None and at_most is None:
        item.refuse("no bound", accepted="above, at_most or both")
    if above and at_most and above >= at_most:
        item.refuse("bounds that leave nothing between them", accepted="above less than at_most")
    return AgeWithin(
        above, at_most, _bound_words("books.age", *(duration_words(n) if n else None for n in (above, at_most)))
    )


_BOUNDS = frozenset({"above", "at_most"})


def _bound_words(name: str, above: str | None, at_most: str | None) -> str:
    parts = [f"above {above}" if above else "", f"at most {at_most}" if at_most else ""]
    return f"{name} is {' and '.join(part for part in parts if part)}"


def _refuse_unknown_destination(item: Item) -> None:
    for entry in item.one_or_more():
        if entry.value == UNKNOWN_DESTINATION:
            entry.refuse("a permit for an unknown destination", accepted=listed(DESTINATIONS - {UNKNOWN_DESTINATION}))


def _kinds(item: Item, entries: dict[str, Item], fields: set[str]) -> frozenset[str]:
    able = frozenset(kind for kind, has in FIELDS_OF_KIND.items() if fields <= has)
    if "kind" not in entries:
        if not able:
            item.refuse("no kind of request has all these fields", accepted="fields that one kind has together")
        return able
    named = frozenset(str(entry.value) for entry in entries["kind"].one_or_more())
    for kind in sorted(named - able):
        missing = listed(fields - FIELDS_OF_KIND[kind])
        entries["kind"].refuse(
            f"{kind} has no {missing}", accepted=f"kinds with these fields: {listed(able) or 'none'}"
        )
    return named
