"""A rule's ``match``: all its conditions together, and reading them from a document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from policies.conditions import AgeWithin, Among, AmountWithin, Condition, UsdWithin
from policies.conditions_time import read_times
from policies.conditions_total import MAX_COUNT, Bounds, CountWithin, TotalWithin
from policies.facts import Facts
from policies.names import Names, one_defined
from policies.quantities import duration_words, read_duration, read_threshold, read_usd, usd_words
from policies.readings import READ
from policies.strict_yaml import Item, listed, quoted
from policies.vocabulary import CLOSED_SETS, FIELDS, FIELDS_OF_KIND, KINDS, NEVER_PERMITTED, SCOPES, TOTAL

MAX_TOTALS: Final = 8


@dataclass(frozen=True, slots=True)
class Match:
    """All conditions of one rule."""

    conditions: tuple[Condition, ...]
    """Of single facts."""
    kinds: frozenset[str]
    """Kinds of request the rule can be about: those named, or all that have every field it reads."""
    totals: tuple[TotalWithin, ...] = ()
    """Of what was asked before. They count the past requests for which ``holds`` is not false."""

    def holds(self, facts: Facts) -> bool | None:
        """True, false or unknown of ``facts``, the totals left aside."""
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
        """The conditions that are not known to be true, the totals left aside."""
        return [condition for condition in self.conditions if condition.holds(facts) is not True]

    def apart_from_amount(self) -> Match:
        """The same match for a request of any amount, and so of any worth."""
        rest = tuple(item for item in self.conditions if item.field not in ("amount", "usd"))
        return Match(rest, self.kinds, self.totals)


def read_match(item: Item, names: Names, *, also: Iterable[str] = (), permits: bool = False) -> Match:
    """Read a rule's ``match``. ``also`` are fields the rest of the rule reads. Raises ``PolicyError``.

    Every kind that is named must have every field; where none is named, some kind must. A ``permit`` may not ask
    for what is unknown or not trusted, because that never helps.
    """
    entries = item.mapping()
    if not entries:
        item.refuse("an empty match", accepted=f"at least one of {listed(_ORDER)}")
    single = {name: entry for name, entry in entries.items() if name != TOTAL}
    conditions = [_read_condition(name, entry, names) for name, entry in single.items()]
    totals = _read_totals(entries[TOTAL], permits) if TOTAL in entries else ()
    if permits:
        _refuse_what_never_helps(entries)
    fields = {*single, *also}.union(*(total.reads for total in totals))
    in_order = tuple(sorted(conditions, key=lambda condition: _ORDER[condition.field]))
    return Match(in_order, _kinds(item, entries, fields), totals)


_ORDER: Final = {
    name: place for place, name in enumerate([*READ, "amount", "usd", "price.age", "books.age", "time", TOTAL])
}


def _read_condition(name: str, item: Item, names: Names) -> Condition:
    if name not in FIELDS:
        item.refuse(f'unknown field "{name[:40]}"', accepted=listed(_ORDER))
    if name == "amount":
        return _read_amount(item, name)
    if name == "usd":
        return _read_usd(item, name)
    if name == "time":
        return read_times(item)
    if name in ("books.age", "price.age"):
        return _read_age(name, item)
    if name in ("requester.group", "client.group"):
        return _read_groups(name, item, names.groups if name == "requester.group" else names.client_groups)
    return _read_set(name, item)


def _read_set(name: str, item: Item) -> Among:
    vocabulary = CLOSED_SETS.get(name)
    entries = item.one_or_more()
    values = [entry.text() if vocabulary is None else entry.one_of(vocabulary) for entry in entries]
    return Among(name, _each_once(item, values), f"{name} is {' or '.join(sorted(values))}")


def _read_groups(name: str, item: Item, groups: Mapping[str, frozenset[str]]) -> Among:
    chosen = [one_defined(entry, groups, "group") for entry in item.one_or_more()]
    members = frozenset[str]().union(*(groups[group] for group in _each_once(item, chosen)))
    return Among(name, members, f"{name} is {' or '.join(sorted(chosen))}")


def _each_once(item: Item, values: list[str]) -> frozenset[str]:
    if len(set(values)) != len(values):
        item.refuse("the same value twice", accepted="each value once")
    return frozenset(values)


def _read_amount(item: Item, name: str) -> AmountWithin:
    above, at_most = (read_threshold(bound) if bound else None for bound in _bounds(item))
    if above and at_most and (above.asset != at_most.asset or not above.below(at_most.digits, at_most.places)):
        item.refuse("bounds that leave nothing between them", accepted="above less than at_most, in one asset")
    words = _bound_words(name, *(bound.written if bound else None for bound in (above, at_most)))
    return AmountWithin(above, at_most, words)


def _read_usd(item: Item, name: str) -> UsdWithin:
    above, at_most = (read_usd(bound) if bound else None for bound in _bounds(item))
    _refuse_crossed(item, above, at_most)
    return UsdWithin(above, at_most, _bound_words(name, *(usd_words(n) if n else None for n in (above, at_most))))


def _read_age(name: str, item: Item) -> AgeWithin:
    above, at_most = (read_duration(bound) if bound else None for bound in _bounds(item))
    _refuse_crossed(item, above, at_most)
    words = _bound_words(name, *(duration_words(n) if n else None for n in (above, at_most)))
    return AgeWithin(above, at_most, words, name)


def _read_count(item: Item, name: str) -> CountWithin:
    above, at_most = (bound.number(most=MAX_COUNT) if bound else None for bound in _bounds(item))
    _refuse_crossed(item, above, at_most)
    return CountWithin(above, at_most, _bound_words(name, *(str(n) if n else None for n in (above, at_most))))


_OF_A_TOTAL: Final[dict[str, Callable[[Item, str], Bounds]]] = {
    "amount": _read_amount,
    "usd": _read_usd,
    "count": _read_count,
}


def _read_totals(item: Item, permits: bool) -> tuple[TotalWithin, ...]:
    items = item.items() if isinstance(item.value, list) else [item]
    if len(items) > MAX_TOTALS:
        item.refuse("too many totals", accepted=f"at most {MAX_TOTALS}")
    totals = [_read_total(entry, permits) for entry in items]
    if len(set(totals)) != len(totals):
        item.refuse("the same total twice", accepted="each total once")
    return tuple(sorted(totals, key=lambda total: total.words))


def _read_total(item: Item, permits: bool) -> TotalWithin:
    """One total. More requests may only tighten, so a permit bounds it from above and others from below.

    What is unknown of the past counts, and of two counts the larger is taken: neither may ever help.
    """
    entries = item.mapping({"per", "window", *_OF_A_TOTAL}, required=("per", "window"))
    per, window_seconds = entries["per"].one_of(SCOPES), read_duration(entries["window"])
    counted = [name for name in _OF_A_TOTAL if name in entries]
    if len(counted) != 1:
        item.refuse("not exactly one number", accepted="one of amount, count, usd; a list for more totals")
    name = counted[0]
    title = f"total {'number of requests' if name == 'count' else name} per {per} in {duration_words(window_seconds)}"
    bounds = _OF_A_TOTAL[name](entries[name], title)
    helps, tightens = ("above", "at_most") if permits else ("at_most", "above")
    if getattr(bounds, helps) is not None:
        problem = f"a {'permit' if permits else 'forbid or require'} that more requests would loosen"
        entries[name].mapping()[helps].refuse(problem, accepted=tightens)
    return TotalWithin(per, window_seconds, bounds, bounds.words)


def _bounds(item: Item) -> tuple[Item | None, Item | None]:
    bounds = item.mapping({"above", "at_most"})
    if not bounds:
        item.refuse("no bound", accepted="above, at_most or both")
    return bounds.get("above"), bounds.get("at_most")


def _refuse_crossed(item: Item, above: int | None, at_most: int | None) -> None:
    if above and at_most and above >= at_most:
        item.refuse("bounds that leave nothing between them", accepted="above less than at_most")


def _bound_words(name: str, above: str | None, at_most: str | None) -> str:
    parts = [f"above {above}" if above else "", f"at most {at_most}" if at_most else ""]
    return f"{name} is {' and '.join(part for part in parts if part)}"


def _refuse_what_never_helps(entries: dict[str, Item]) -> None:
    for name in NEVER_PERMITTED.keys() & entries.keys():
        for entry in entries[name].one_or_more():
            if entry.value in NEVER_PERMITTED[name]:
                entry.refuse(
                    f"a permit for {name} {quoted(entry.value)}, which never helps",
                    accepted=listed(CLOSED_SETS[name] - NEVER_PERMITTED[name]),
                )


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
