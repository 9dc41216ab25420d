"""Moments that stand for all others: one for every way in which times of the week can hold together.

Zones change their clocks, so what holds together in two zones is found by walking: every minute at which a span of one
of the conditions begins or ends, and every change of a zone's clock, over ``WEEKS`` weeks, each asked of the condition
itself. A rule of a zone that changes after that is outside what is proved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from policies.conditions_time import WEEK, TimesOfWeek, zone_of
from policies.facts import Facts

FIRST: Final = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday."""
WEEKS: Final = 209
"""Four years: leap days and both changes of the clock at every distance from a weekend."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment, and which conditions hold at it."""

    at: datetime
    holding: frozenset[TimesOfWeek]


def moments_of(conditions: Iterable[TimesOfWeek]) -> tuple[Moment, ...]:
    """One moment for every combination of ``conditions`` that occurs, the first at which it does."""
    apart = {(item.spans, item.zone, item.outside): item for item in conditions}.values()
    return _walked(tuple(sorted(apart, key=_order)))


@lru_cache(maxsize=32)
def _walked(apart: tuple[TimesOfWeek, ...]) -> tuple[Moment, ...]:
    found: dict[frozenset[TimesOfWeek], datetime] = {}
    for at in sorted({FIRST, *_edges(apart)}):
        facts = Facts(kind="", requester="", now=at)
        found.setdefault(frozenset(item for item in apart if item.holds(facts)), at)
    return tuple(Moment(at, holding) for holding, at in found.items())


def holds_at(condition: TimesOfWeek, moment: Moment) -> bool:
    """Whether ``condition`` holds at ``moment``, whatever words it was written in."""
    return condition.holds(Facts(kind="", requester="", now=moment.at))


def _order(condition: TimesOfWeek) -> str:
    return f"{condition.zone} {condition.words}"


def _edges(conditions: Sequence[TimesOfWeek]) -> Iterable[datetime]:
    """Every moment at which one of ``conditions`` may change its answer."""
    for zone in sorted({condition.zone for condition in conditions}):
        minutes = {minute % WEEK for item in conditions if item.zone == zone for span in item.spans for minute in span}
        yield from _changes(zone)
        for week in range(-1, WEEKS):
            for minute in minutes:
                yield from _instants(FIRST + timedelta(weeks=week, minutes=minute), zone)


def _instants(wall: datetime, zone: str) -> Iterable[datetime]:
    """The moments at which the clock of ``zone`` shows ``wall``: two where it was put back."""
    for fold in (0, 1):
        yield wall.replace(tzinfo=zone_of(zone), fold=fold).astimezone(UTC)


def _changes(zone: str) -> Iterable[datetime]:
    """The minutes in which the clock of ``zone`` is changed."""
    for day in range(WEEKS * 7):
        early, late = FIRST + timedelta(days=day), FIRST + timedelta(days=day + 1)
        if _offset(early, zone) != _offset(late, zone):
            yield _bisected(early, late, zone)


def _bisected(early: datetime, late: datetime, zone: str) -> datetime:
    while late - early > timedelta(minutes=1):
        middle = early + timedelta(minutes=(late - early) // timedelta(minutes=2))
        early, late = (middle, late) if _offset(middle, zone) == _offset(early, zone) else (early, middle)
    return late


def _offset(at: datetime, zone: str) -> timedelta | None:
    return at.astimezone(zone_of(zone)).utcoffset()
