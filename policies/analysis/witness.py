"""A request that was found, as facts a person can read and the engine can decide."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from custody.kernel.errors import Broken, InvalidInput
from policies.decision import Outcome
from policies.document import Document
from policies.engine import evaluate
from policies.facts import Facts, Usage, UsageTotals
from policies.obligations import outstanding
from policies.quantities import duration_words, usd_words
from policies.tally import satisfied
from policies.vocabulary import FIELDS_OF_KIND

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


def read_usage(value: object) -> Usage:
    """What came before, out of ``to_json``'s ``used_before``: of several documents, the first that counted it.

    A count that is not in it is unknown. Raises ``InvalidInput`` for anything else.
    """
    counted: dict[Key, UsageTotals | None] = {}
    documents: Iterable[Any] = value if isinstance(value, list) else [None]
    try:
        for one in documents:
            for row in one:
                counted.setdefault((row["rule"], row["per"], row["window_seconds"]), _used_from(row))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("not what was used before; accepted is what a witness holds", field="used_before") from error

    def usage(rule_id: str, per: str, window_seconds: int, /) -> UsageTotals | None:
        return counted.get((rule_id, per, window_seconds))

    return usage


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
