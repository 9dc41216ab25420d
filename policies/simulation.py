"""Replaying what was once asked under another document: what it would deny, let out, slow down, and whose work it is.

Requests come one after the other, oldest first, and are forgotten once no window sees them: history of any length takes
the memory of the longest window. What the document itself would have let in counts in its windows, from the moment it
was asked for; what ended without paying does not.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from policies.decision import Outcome
from policies.document import Document
from policies.engine import evaluate
from policies.facts import Facts, Usage, UsageTotals
from policies.matches import Match
from policies.obligations import Obligations
from policies.readings import key_under, known_amount, known_usd
from policies.rules import windows_of

EXAMPLES: Final = 5
"""Requests named of each change."""
SWEPT_EVERY: Final = 5_000
"""Requests after which windows are cleared of what they no longer see."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One stored request, and what was decided then."""

    reference: str
    """What it is found again by: its digest."""
    facts: Facts
    released: bool
    """Whether it ended without paying."""
    outcome: Outcome
    obligations: Obligations


@dataclass(slots=True)
class Simulated:
    """What another document would have changed."""

    requests: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    """Change to number of requests; one request may be slower and ask more people."""
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The same per kind of request."""
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The first few of each change, by reference."""
    work_before: Counter[str] = field(default_factory=Counter)
    """Group or role to how many approvals were asked of it."""
    work_after: Counter[str] = field(default_factory=Counter)
    hourly: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Group to approvals before and after, for each of its members and each hour: two decimals."""

    def spread(self, groups: Mapping[str, Collection[str]], *, seconds: int) -> None:
        """Say what the work of each group comes to for one member in one hour of ``seconds`` that were replayed."""
        for who in self.workers():
            members = len(groups.get(who, ()))
            if members and seconds > 0:
                self.hourly[who] = (
                    _hundredths(self.work_before[who] * _HOUR, members * seconds),
                    _hundredths(self.work_after[who] * _HOUR, members * seconds),
                )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "requests": self.requests,
            "changes": {change: self.changes[change] for change in CHANGES},
            "by_kind": [
                {"kind": kind, "change": change, "requests": number}
                for (kind, change), number in sorted(self.kinds.items())
            ],
            "examples": dict(sorted(self.examples.items())),
            "work": [
                {"who": who, "before": self.work_before[who], "after": self.work_after[who], **self._hours_of(who)}
                for who in self.workers()
            ],
        }

    def _hours_of(self, who: str) -> dict[str, str]:
        names = ("before_per_operator_hour", "after_per_operator_hour")
        return dict(zip(names, self.hourly.get(who, ()), strict=False))

    def workers(self) -> list[str]:
        """Every group and role that had or would have something to do."""
        return sorted({*self.work_before, *self.work_after})


_HOUR: Final = 3600


def _hundredths(part: int, whole: int) -> str:
    """A share with two decimals, rounded up: what is asked for now and then is not nothing."""
    found = -(-100 * part // whole)
    return f"{found // 100}.{found % 100:02d}"


CHANGES: Final = ("the same", "denied", "let out", "slower", "faster", "more people", "fewer people", "other terms")


def simulate(document: Document, requests: Iterable[Replayed], *, since: datetime) -> Simulated:
    """Replay ``requests``, oldest first. Those before ``since`` only count in the windows of later ones."""
    windows, found = Rolling(document), Simulated()
    for request in requests:
        decision = evaluate(document, request.facts, windows.usage(request.facts))
        if decision.outcome is not Outcome.DENY and not request.released:
            windows.add(request.facts)
        if request.facts.now >= since:
            _note(found, request, decision.outcome, decision.obligations)
    return found


def _note(found: Simulated, request: Replayed, outcome: Outcome, obligations: Obligations) -> None:
    found.requests += 1
    for change in _changes(request, outcome, obligations):
        found.changes[change] += 1
        found.kinds[request.facts.kind, change] += 1
        if change != CHANGES[0] and len(found.examples[change]) < EXAMPLES:
            found.examples[change].append(request.reference)
    for work, asked in ((found.work_before, request.obligations), (found.work_after, obligations)):
        work.update(asked.approvals)
        work.update(asked.roles)


def _changes(request: Replayed, outcome: Outcome, obligations: Obligations) -> list[str]:
    before = request.outcome
    if (before is Outcome.DENY) != (outcome is Outcome.DENY):
        return ["denied" if outcome is Outcome.DENY else "let out"]
    if request.obligations == obligations:
        return ["the same"]
    earlier, later = request.obligations, obligations
    found = []
    if earlier.delay_seconds != later.delay_seconds:
        found.append("slower" if later.delay_seconds > earlier.delay_seconds else "faster")
    people = earlier.join(later)
    if (people.approvals, people.roles) != (earlier.approvals, earlier.roles):
        found.append("more people")
    if (people.approvals, people.roles) != (later.approvals, later.roles):
        found.append("fewer people")
    return found or ["other terms"]


class _Counted(NamedTuple):
    """One request in a window."""

    at: datetime
    asset: tuple[str | None, int | None]
    """Short code and decimals."""
    units: int | None
    usd_micros: int | None


class _Tally:
    """What one window has seen under one key, kept up while requests come and go."""

    __slots__ = ("_seen", "_units", "_usd", "_without_usd")

    def __init__(self) -> None:
        self._seen: deque[_Counted] = deque()
        self._units: Counter[tuple[str | None, int | None] | str] = Counter()
        self._usd = 0
        self._without_usd = 0

    def add(self, counted: _Counted) -> None:
        self._seen.append(counted)
        self._change(counted, 1)

    def forget(self, until: datetime) -> None:
        while self._seen and self._seen[0].at <= until:
            self._change(self._seen.popleft(), -1)

    def is_empty(self) -> bool:
        return not self._seen

    def totals(self, asset: tuple[str | None, int | None]) -> UsageTotals:
        """For a request in ``asset``: a sum is unknown where one number that belongs in it is."""
        code = asset[0]
        unclear = self._units["?"] + self._units[f"?{code}"] + self._other_decimals(asset)
        units = None if unclear else self._units[asset]
        return UsageTotals(units, len(self._seen), None if self._without_usd else self._usd)

    def _other_decimals(self, asset: tuple[str | None, int | None]) -> bool:
        return any(
            isinstance(other, tuple) and other[0] == asset[0] and other != asset and number
            for other, number in self._units.items()
        )

    def _change(self, counted: _Counted, sign: int) -> None:
        if counted.asset[0] is None:
            self._units["?"] += sign
        elif counted.units is None:
            self._units[f"?{counted.asset[0]}"] += sign
        else:
            self._units[counted.asset] += sign * counted.units
        if counted.usd_micros is None:
            self._without_usd += sign
        else:
            self._usd += sign * counted.usd_micros


class Rolling:
    """Every window a document's rules read, over requests that come oldest first."""

    def __init__(self, document: Document) -> None:
        self._windows: list[tuple[str, str, int, Match]] = [
            (rule.title, per, seconds, rule.match) for rule in document.rules for per, seconds in windows_of(rule)
        ]
        self._tallies: Mapping[tuple[str, str, int], dict[str | None, _Tally]] = {
            (title, per, seconds): defaultdict(_Tally) for title, per, seconds, _ in self._windows
        }
        self._added = 0

    def add(self, facts: Facts) -> None:
        """Count one request from its own moment on; one whose key is unknown counts under every key."""
        usd = known_usd(facts)
        counted = _Counted(
            facts.now, (facts.asset, facts.decimals), known_amount(facts), None if usd is None else usd[1]
        )
        for title, per, seconds, match in self._windows:
            if match.holds(facts) is not False:
                self._tallies[title, per, seconds][key_under(per, facts)].add(counted)
        self._added += 1
        if self._added % SWEPT_EVERY == 0:
            self._sweep(facts.now)

    def _sweep(self, now: datetime) -> None:
        """Forget what no window sees any more, also under keys nobody asks for again."""
        for (_, _, seconds), tallies in self._tallies.items():
            for tally in tallies.values():
                tally.forget(now - timedelta(seconds=seconds))
            for key in [key for key, tally in tallies.items() if tally.is_empty()]:
                del tallies[key]

    def usage(self, facts: Facts) -> Usage:
        """What was asked for before ``facts``, as the engine reads it. ``facts`` come oldest first."""

        def usage(rule_id: str, per: str, window_seconds: int, /) -> UsageTotals | None:
            tallies = self._tallies[rule_id, per, window_seconds]
            asset, key = (facts.asset, facts.decimals), key_under(per, facts)
            until = facts.now - timedelta(seconds=window_seconds)
            found = [tally for name in {key, None} if (tally := tallies.get(name)) is not None]
            for tally in found:
                tally.forget(until)
            return _added([tally.totals(asset) for tally in found])

        return usage


def _added(totals: list[UsageTotals]) -> UsageTotals:
    units, usd = [one.amount_units for one in totals], [one.usd_micros for one in totals]
    return UsageTotals(
        None if None in units else sum(number or 0 for number in units),
        sum(one.count for one in totals),
        None if None in usd else sum(number or 0 for number in usd),
    )
