"""Counting admissions for a policy's windows: summed by the database, matched by the policy's own functions.

What a rule cannot tell apart the database adds up: admissions are grouped by the facts that the rule's match reads, and
the match is asked about one of each group. So the answer is that of ``policies.windows.usage_from``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select, union_all
from sqlalchemy.orm import Session

from custody.kernel.clock import rfc3339
from custody.windows.tables import COUNTED, COUNTS_UNTIL, AdmissionRow
from policies.facts import Facts, Usage, UsageTotals
from policies.matches import Match
from policies.readings import EVERYONE
from policies.windows import WindowQuery

FACTS_READ: Final[Mapping[str, tuple[str, ...]]] = {
    "kind": ("kind",),
    "requester": ("requester",),
    "requester.group": ("requester",),
    "time": ("now",),
    "client": ("client",),
    "client.group": ("client",),
    "client.status": ("client_status",),
    "segregation": ("segregation",),
    "asset": ("asset",),
    "chain": ("chain",),
    "amount": ("asset", "decimals", "amount_units"),
    "usd": ("usd_micros", "usd_micros_asked", "price_state"),
    "price": ("price_state",),
    "price.age": ("price_age_seconds",),
    "destination": ("destination",),
    "destination.code": ("destination_code",),
    "screening": ("screening",),
    "collateral": ("collateral",),
    "vault.break": ("vault_break",),
    "books.age": ("books_age_seconds",),
}
"""Field of a rule to the facts that decide it."""
ALL_FACTS: Final = tuple(Facts.__dataclass_fields__)
_ALWAYS: Final = ("kind", "asset", "decimals")
_KEYS: Final[Mapping[str, Any]] = {
    "client": AdmissionRow.client,
    "destination": AdmissionRow.destination,
    "asset": AdmissionRow.asset,
    "requester": AdmissionRow.requester,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Which admissions a decision sees: all but its own, and none that was admitted after it."""

    digest: str | None = None
    before: int | None = None
    """Its own place in the order; None where it is being admitted now."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Admissions that the rules of one window cannot tell apart."""

    facts: Facts
    count: int
    units: int | None
    usd_micros: int | None


def usage_of(session: Session, queries: Sequence[WindowQuery], scope: Scope) -> Usage:
    """A ``Usage`` for ``queries``: one statement for all rules that look through the same window at the same key."""
    alike: dict[tuple[str, str, int], list[WindowQuery]] = {}
    for query in queries:
        alike.setdefault((query.per, query.key, query.window_seconds), []).append(query)
    counted: dict[tuple[str, str, int], UsageTotals] = {}
    for same in alike.values():
        groups = list(_groups(session, same, scope))
        for query in same:
            counted[(query.rule, query.per, query.window_seconds)] = _total(groups, query)

    def usage(rule_id: str, per: str, window_seconds: int, /) -> UsageTotals | None:
        return counted.get((rule_id, per, window_seconds))

    return usage


def facts_read(matches: Iterable[Match]) -> tuple[str, ...]:
    """Names of the facts that decide these matches and what is added up for them, in a fixed order."""
    fields = {condition.field for match in matches for condition in match.conditions}
    if not fields <= FACTS_READ.keys():
        return ALL_FACTS
    read = {*_ALWAYS}.union(*(FACTS_READ[field] for field in fields))
    return tuple(name for name in ALL_FACTS if name in read)


def _groups(session: Session, queries: Sequence[WindowQuery], scope: Scope) -> Iterator[_Group]:
    names = facts_read(query.match for query in queries)
    first = queries[0]
    seen = union_all(*(_seen(names, key, first.since, scope) for key in _keys(first))).subquery()
    grouped = [seen.c[name] for name in names]
    totals = (
        func.count().label("requests"),
        func.sum(seen.c.units_).label("units"),
        func.count(seen.c.units_).label("known_units"),
        func.sum(seen.c.usd_).label("usd"),
        func.count(seen.c.usd_).label("known_usd"),
    )
    for row in session.execute(select(*grouped, *totals).group_by(*grouped)):
        yield _group(names, row, first)


def _seen(names: Sequence[str], key: ColumnElement[bool] | None, since: datetime, scope: Scope) -> Any:
    facts: list[Any] = [func.jsonb_extract_path_text(AdmissionRow.facts, name).label(name) for name in names]
    found = select(*facts, AdmissionRow.units.label("units_"), AdmissionRow.usd_micros.label("usd_")).where(
        COUNTED, since < COUNTS_UNTIL
    )
    if key is not None:
        found = found.where(key)
    if scope.digest is not None:
        found = found.where(AdmissionRow.digest != scope.digest)
    if scope.before is not None:
        # A sum, not the column: its own index would tempt the planner, and holds all history.
        found = found.where(AdmissionRow.sequence + 0 < scope.before)
    return found


def _keys(query: WindowQuery) -> list[ColumnElement[bool] | None]:
    """Under the same key, and under none: what is unknown about a past request counts against this one."""
    if query.per == EVERYONE:
        return [None]
    column = _KEYS[query.per]
    return [column == query.key, column.is_(None)]


def _group(names: Sequence[str], row: Any, query: WindowQuery) -> _Group:
    stored = {name: text for name, text in zip(names, row, strict=False) if text is not None}
    facts = Facts.from_json({"requester": "", "now": rfc3339(query.since), **stored})
    return _Group(
        facts,
        row.requests,
        int(row.units or 0) if row.known_units == row.requests else None,
        int(row.usd or 0) if row.known_usd == row.requests else None,
    )


def _total(groups: Iterable[_Group], query: WindowQuery) -> UsageTotals:
    count, units, usd = 0, _Sum(), _Sum()
    for group in groups:
        # The key and the window were the database's to compare; what is left is whether the rule speaks of it.
        if query.match.holds(group.facts) is False:
            continue
        count += group.count
        usd.add(group.usd_micros)
        if group.facts.asset in (query.asset, None):
            same = group.facts.asset is not None and group.facts.decimals == query.decimals
            units.add(group.units if same else None)
    return UsageTotals(units.total, count, usd.total)


class _Sum:
    """A sum that is unknown once one number in it is."""

    def __init__(self) -> None:
        self.total: int | None = 0

    def add(self, number: int | None) -> None:
        self.total = None if number is None or self.total is None else self.total + number
