"""A request that was found, as facts a person can read and the engine can decide."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from custody.kernel.errors import Broken, InvalidInput
from policies.analysis.counts import Totals, seen_by
from policies.analysis.logic import Formula, every, negated
from policies.analysis.request import ADDRESS, ASKED, TIME, Request, Symbol
from policies.analysis.search import Space
from policies.decision import Outcome
from policies.document import Document
from policies.engine import evaluate
from policies.facts import Facts, Usage, UsageTotals
from policies.obligations import outstanding
from policies.quantities import duration_words, usd_words
from policies.rules.permit import Permit
from policies.tally import satisfied
from policies.vocabulary import CLEAR, FIELDS_OF_KIND, FRESH

USUAL_DECIMALS: Final = 8
"""Of an asset whose decimals no table gives."""

Key = tuple[str, str, int]
"""How the engine asks for a count: title of the rule, per, window in seconds."""


class Unconfirmed(Broken):
    """The engine does not agree with what the solver found: the analysis itself is wrong, and says nothing."""

    code = "policy-analysis-unconfirmed"


@dataclass(frozen=True, slots=True)
class Witness:
    """One request with all that its answer depends on."""

    facts: Facts
    usage: tuple[Mapping[Key, UsageTotals | None], ...]
    """What came before, as each document's rules count it."""
    approvers: tuple[str, ...]
    waited_seconds: int

    def leaves(self, document: Document, place: int = 0) -> bool:
        """Whether the engine lets it go under ``document``, the one whose counts stand at ``place``."""
        decision = evaluate(document, self.facts, self._usage(place))
        if decision.outcome is Outcome.DENY:
            return False
        asked, requester = decision.obligations, self.facts.requester
        people = satisfied(asked, document.groups, self.approvers, initiator=requester, roles=document.roles)
        return people.met and self.waited_seconds >= asked.delay_seconds and not outstanding(asked, self.facts)

    def to_json(self) -> dict[str, Any]:
        """Plain values; ``facts`` as ``custody policy explain`` reads them."""
        return {
            "facts": self.facts.to_json(),
            "approvers": list(self.approvers),
            "waited_seconds": self.waited_seconds,
            "used_before": [[_used_json(key, used) for key, used in one.items()] for one in self.usage],
        }

    def words(self) -> str:
        """The request in one plain sentence."""
        agreed = f"approved by {' and '.join(self.approvers)}" if self.approvers else "approved by nobody"
        waited = f", after {duration_words(self.waited_seconds)}" if self.waited_seconds else ""
        used = [_used_words(key, used, self.facts) for key, used in self._distinct_usage()]
        before = f"; used before: {'; '.join(used)}" if used else ""
        return f"{facts_words(self.facts)}; {agreed}{waited}{before}"

    def _usage(self, place: int) -> Callable[[str, str, int], UsageTotals | None]:
        counted = self.usage[place]

        def usage(rule_id: str, per: str, window_seconds: int, /) -> UsageTotals | None:
            return counted.get((rule_id, per, window_seconds))

        return usage

    def _distinct_usage(self) -> list[tuple[Key, UsageTotals | None]]:
        """Of rules that counted the same, one."""
        told: dict[tuple[Any, ...], tuple[Key, UsageTotals | None]] = {}
        for one in self.usage:
            for key, used in sorted(one.items()):
                if used != UsageTotals(0, 0, 0):
                    told.setdefault((key[1], key[2], used), (key, used))
        return list(told.values())


def witness_of(
    model: Any, space: Space, documents: Sequence[Document], decimals: Mapping[str, int], request: Request | None = None
) -> Witness:
    """What ``model`` says, as facts. ``decimals`` are those of the assets a table names; others get the usual."""
    request = request or space.request
    words = _Words(model, request)
    steps = {name: words.number(name) for name in ("amount",)}
    places = _decimals_for(words, space, decimals, steps["amount"])
    facts = _facts(words, places)
    usage = tuple(_usage_of(document, space, model, places) for document in documents)
    approvers = tuple(person for person, said in space.crowd.approves.items() if _true(model, said))
    return Witness(facts, usage, approvers, _integer(model, space.crowd.waited))


def read_usage(value: object) -> Usage:
    """What came before, out of ``to_json``'s ``used_before``: of several documents, the first that counted it.

    A count that is not in it is unknown. Raises ``InvalidInput`` for anything else.
    """
    counted: dict[Key, UsageTotals | None] = {}
    try:
        for one in value:  # type: ignore[attr-defined]
            for row in one:
                counted.setdefault((row["rule"], row["per"], row["window_seconds"]), _used_from(row))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("not what was used before; accepted is what a witness holds", field="used_before") from error

    def usage(rule_id: str, per: str, window_seconds: int, /) -> UsageTotals | None:
        return counted.get((rule_id, per, window_seconds))

    return usage


def ordinary(space: Space, decimals: Mapping[str, int]) -> Callable[[Callable[[], Any]], Iterable[Formula]]:
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


def facts_words(facts: Facts) -> str:
    """The known facts of a request in words: what, for whom, where, and what stands about it."""
    told = facts.to_json()
    amount = f" of {_amount_words(facts)}" if facts.amount_units is not None and facts.asset else ""
    worth = f" worth {usd_words(facts.usd_micros)} USD" if facts.usd_micros is not None else ""
    if facts.usd_micros_asked not in (None, facts.usd_micros):
        worth += f" ({usd_words(facts.usd_micros_asked or 0)} when it was asked for)"
    rest = [f"{name} {told[name]}" for name in _TOLD if name in told]
    fields = FIELDS_OF_KIND.get(facts.kind, frozenset())
    unknown = [field for field, name in ATTRIBUTES.items() if field in fields and name not in told]
    missing = f"; unknown: {', '.join(unknown)}" if unknown else ""
    return f"{facts.kind}{amount}{worth}, asked for by {facts.requester or 'nobody known'}: {', '.join(rest)}{missing}"


_TOLD: Final = (
    *("client", "client_status", "segregation", "chain", "destination", "destination_code", "price_state"),
    *("price_age_seconds", "screening", "collateral", "vault_break", "books_age_seconds", "now"),
)
ATTRIBUTES: Final = {
    "client": "client",
    "client.status": "client_status",
    "segregation": "segregation",
    "asset": "asset",
    "chain": "chain",
    "destination": "destination",
    "destination.code": "destination_code",
    "price": "price_state",
    "screening": "screening",
    "collateral": "collateral",
    "vault.break": "vault_break",
    "amount": "amount_units",
    "usd": "usd_micros",
    "price.age": "price_age_seconds",
    "books.age": "books_age_seconds",
}
"""Field of a document to the fact it reads."""


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


def _usage_of(document: Document, space: Space, model: Any, places: tuple[int, int]) -> dict[Key, UsageTotals | None]:
    found: dict[Key, UsageTotals | None] = {}
    for rule in document.rules:
        if space.request.kind not in rule.match.kinds:
            continue
        asked = [(total.per, total.window_seconds) for total in rule.match.totals]
        if isinstance(rule, Permit) and rule.limit:
            asked.append((rule.limit.per, rule.limit.window_seconds))
        for per, window in asked:
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


def _amount_words(facts: Facts) -> str:
    return f"{_decimal(facts.amount_units or 0, facts.decimals or 0)} {facts.asset}"


def _decimal(units: int, decimals: int) -> str:
    digits = str(units).rjust(decimals + 1, "0")
    if not decimals:
        return digits
    part = digits[-decimals:].rstrip("0")
    return digits[:-decimals] + (f".{part}" if part else "")


def _used_words(key: Key, used: UsageTotals | None, facts: Facts) -> str:
    where = f"under “{key[0]}” per {key[1]} in {duration_words(key[2])}"
    if used is None:
        return f"{where} nobody knows what"
    amount = "?" if used.amount_units is None else _decimal(used.amount_units, facts.decimals or 0)
    usd = "?" if used.usd_micros is None else usd_words(used.usd_micros)
    return f"{where} {amount} {facts.asset or ''} and {usd} USD in {used.count} requests"


def _used_json(key: Key, used: UsageTotals | None) -> dict[str, Any]:
    where = {"rule": key[0], "per": key[1], "window_seconds": key[2]}
    if used is None:
        return {**where, "known": False}
    sums = {"amount_units": used.amount_units, "usd_micros": used.usd_micros}
    return {**where, "count": used.count, **{name: None if n is None else str(n) for name, n in sums.items()}}


def _used_from(row: dict[str, Any]) -> UsageTotals | None:
    if row.get("known") is False:
        return None
    sums = (None if row[name] is None else int(row[name]) for name in ("amount_units", "usd_micros"))
    amount, usd = sums
    return UsageTotals(amount, int(row["count"]), usd)


def _true(model: Any, formula: Formula) -> bool:
    import z3

    return formula if isinstance(formula, bool) else bool(z3.is_true(model.eval(formula, model_completion=True)))


def _integer(model: Any, number: Any) -> int:
    return number if isinstance(number, int) else int(model.eval(number, model_completion=True).as_long())
