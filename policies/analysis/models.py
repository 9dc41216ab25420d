"""From a solver's model to facts: what it says of every symbol, and what would make it easier to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from policies.analysis.counts import Totals, seen_by
from policies.analysis.logic import Formula, every, negated
from policies.analysis.request import ADDRESS, ASKED, TIME, Request, Symbol
from policies.analysis.search import Space, Wishes
from policies.analysis.witness import ATTRIBUTES, Key, Witness
from policies.facts import Facts, UsageTotals
from policies.rules import Rule, windows_of
from policies.vocabulary import CLEAR, FIELDS_OF_KIND, FRESH

USUAL_DECIMALS: Final = 8
"""Of an asset whose decimals no table gives."""


def witness_of(
    model: Any,
    space: Space,
    counted: Sequence[Sequence[Rule]],
    decimals: Mapping[str, int],
    request: Request | None = None,
) -> Witness:
    """What ``model`` says, as facts, and what each of several sets of rules has ``counted`` by then.

    ``decimals`` are those of the assets a table names; others get the usual.
    """
    request = request or space.request
    words = _Words(model, request)
    steps = {name: words.number(name) for name in ("amount",)}
    places = _decimals_for(words, space, decimals, steps["amount"])
    facts = _facts(words, places)
    usage = tuple(_usage_of(rules, space, model, places) for rules in counted)
    approvers = tuple(person for person, said in space.crowd.approves.items() if _true(model, said))
    return Witness(facts, usage, approvers, _integer(model, space.crowd.waited))


def ordinary(space: Space, decimals: Mapping[str, int]) -> Wishes:
    """Wishes that make what is found readable: facts that are known and usual, few people, nothing used before."""

    def wishes(model: Callable[[], Any]) -> Iterable[Formula]:
        request, crowd, totals = space.request, space.crowd, list(space.counts.all())
        symbols = request.symbols()
        yield from (symbol.known for symbol in symbols.values())
        yield from (known for one in totals for known in (one.known, one.amount_known, one.usd_known))
        yield from (request.is_among(field, {USUAL[field]}) for field in USUAL if field in symbols)
        yield from _about_people(request, crowd.approves, crowd.waited)
        yield from (number == 0 for one in totals for number in (one.count, one.amount, one.usd))
        yield from (symbols[field].value == 60 for field in ("books.age", "price.age") if field in symbols)
        if ASKED in symbols:
            yield symbols[ASKED].value == request.symbol("usd").value
        yield from _whole_numbers(space, decimals, model)

    return wishes


USUAL: Final = {
    "client.status": "active",
    "segregation": "segregated",
    "destination": "listed",
    "destination.code": "plain",
    "price": FRESH,
    "screening": CLEAR,
    "collateral": "none",
    "vault.break": "none",
}


class _Words:
    """What a model says of one request's symbols; of what nothing reads, what is usual."""

    def __init__(self, model: Any, request: Request) -> None:
        self.model = model
        self.request = request
        self.symbols = request.symbols()
        self.has = FIELDS_OF_KIND[request.kind]

    def text(self, field: str) -> str | None:
        """A word, or ``None`` where it is unknown or the kind has no such field."""
        symbol = self.symbols.get(field)
        if symbol is None:
            return (USUAL.get(field) or self.request.alphabet.values[field][-1]) if field in self.has else None
        if not _true(self.model, symbol.known):
            return None
        return self.request.alphabet.values[field][_integer(self.model, symbol.value)]

    def number(self, field: str) -> int | None:
        """A number, or ``None`` where it is unknown or nothing reads it."""
        symbol = self.symbols.get(field)
        if symbol is None:
            return 60 if field in ("books.age", "price.age") and field in self.has else None
        return _integer(self.model, symbol.value) if _true(self.model, symbol.known) else None

    def known(self, field: str) -> bool:
        """Whether something is known; what nothing reads is."""
        symbol: Symbol | None = self.symbols.get(field)
        return symbol is None or _true(self.model, symbol.known)


def _facts(words: _Words, places: tuple[int, int]) -> Facts:
    decimals, divisor = places
    amount, moments = words.number("amount"), words.request.alphabet.moments
    destination = words.text("destination")
    return Facts(
        kind=words.request.kind,
        requester=words.text("requester") or "",
        now=moments[words.number(TIME) or 0].at,
        decimals=decimals if "asset" in words.has else None,
        destination_text=f"an address that is {destination or 'unknown'}" if words.known(ADDRESS) else None,
        amount_units=None if amount is None else _units(amount, decimals, words.request.alphabet.places, divisor),
        usd_micros=words.number("usd"),
        usd_micros_asked=words.number(ASKED),
        price_age_seconds=words.number("price.age"),
        books_age_seconds=words.number("books.age"),
        **{name: words.text(field) for field, name in ATTRIBUTES.items() if field in words.request.alphabet.values},
    )


def _about_people(request: Request, approves: Mapping[str, Formula], waited: Any) -> Iterable[Formula]:
    if "requester" in request.symbols():
        yield negated(request.is_among("requester", frozenset(request.alphabet.people)))
    yield from (negated(said) for said in approves.values())
    yield waited == 0


def _whole_numbers(space: Space, decimals: Mapping[str, int], model: Callable[[], Any]) -> Iterable[Formula]:
    """Amounts the asset's decimals can say, and values in whole dollars, or in cents."""
    import z3

    request, totals = space.request, list(space.counts.all())
    symbols, places = request.symbols(), space.alphabet.places
    if "asset" in symbols:
        yield request.is_among("asset", decimals.keys())
        asset = _Words(model(), request).text("asset")
        if asset is not None:
            yield request.is_among("asset", {asset})
        step = int(10 ** max(0, places - decimals.get(asset or "", USUAL_DECIMALS)))
        amounts = [*([symbols["amount"].value] if "amount" in symbols else []), *(one.amount for one in totals)]
        counted = [z3.Int(f"steps {index}", space.context) for index in range(len(amounts))]
        yield every(amount == step * whole for amount, whole in zip(amounts, counted, strict=True))
    for step in (1_000_000, 10_000):
        for name in ("usd", ASKED):
            if name in symbols:
                yield symbols[name].value == step * z3.Int(f"{name} in {step}", space.context)


def _decimals_for(words: _Words, space: Space, decimals: Mapping[str, int], amount: int | None) -> tuple[int, int]:
    """How many decimals to write amounts with, so that every one of them can be written."""
    places = space.alphabet.places
    usual = decimals.get(words.text("asset") or "", USUAL_DECIMALS)
    numbers = [*([] if amount is None else [amount])]
    numbers += [_integer(words.model, one.amount) for one in space.counts.all()]
    step = int(10 ** max(0, places - usual))
    return (usual, step) if all(number % step == 0 for number in numbers) else (places, 1)


def _units(number: int, decimals: int, places: int, divisor: int) -> int:
    return number // divisor * int(10 ** max(0, decimals - places))


def _usage_of(
    rules: Sequence[Rule], space: Space, model: Any, places: tuple[int, int]
) -> dict[Key, UsageTotals | None]:
    found: dict[Key, UsageTotals | None] = {}
    for rule in rules:
        if space.request.kind not in rule.match.kinds:
            continue
        for per, window in windows_of(rule):
            totals = space.counts.of(seen_by(rule.match, per, window))
            found[(rule.title, per, window)] = _totals(totals, model, places, space.alphabet.places)
    return found


def _totals(totals: Totals, model: Any, places: tuple[int, int], scale: int) -> UsageTotals | None:
    if not _true(model, totals.known):
        return None
    amount, usd = _integer(model, totals.amount), _integer(model, totals.usd)
    return UsageTotals(
        amount_units=_units(amount, places[0], scale, places[1]) if _true(model, totals.amount_known) else None,
        count=_integer(model, totals.count),
        usd_micros=usd if _true(model, totals.usd_known) else None,
    )


def _true(model: Any, formula: Formula) -> bool:
    import z3

    return formula if isinstance(formula, bool) else bool(z3.is_true(model.eval(formula, model_completion=True)))


def _integer(model: Any, number: Any) -> int:
    return number if isinstance(number, int) else int(model.eval(number, model_completion=True).as_long())
