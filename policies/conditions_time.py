"""Times of the week in a zone: ``time: {within: ["Mon-Fri 09:00-17:00"], zone: Europe/Berlin}``.

A zone's rules come from the pinned ``tzdata`` package and never from the machine, so that the daemon and every
cosigner read the same clock on the wall. A span is of that clock: from its first minute until just before its last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

import tzdata

from policies.facts import Facts
from policies.strict_yaml import Item, quoted

DAY: Final = 24 * 60
WEEK: Final = 7 * DAY
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MAX_SPANS: Final = 50


@dataclass(frozen=True, slots=True)
class TimesOfWeek:
    """The wall clock of ``zone`` is in one of ``spans``, or in none of them where ``outside`` is set."""

    spans: tuple[tuple[int, int], ...]
    """Minutes of the week from Monday 00:00, each from (included) and to (not included); sorted, apart, not empty."""
    zone: str
    outside: bool
    words: str
    field: str = "time"

    def holds(self, facts: Facts) -> bool:
        """Never unknown: a request always has its moment."""
        minute = minute_of_week(facts, self.zone)
        return any(start <= minute < end for start, end in self.spans) is not self.outside


def minute_of_week(facts: Facts, zone: str) -> int:
    """Whole minutes since Monday 00:00 on the wall clock of ``zone`` at the moment of evaluation."""
    there = facts.now.astimezone(zone_of(zone))
    return there.weekday() * DAY + there.hour * 60 + there.minute


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """The rules of a zone that ``zone_names`` lists."""
    with resources.files(tzdata).joinpath("zoneinfo", *name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every zone that can be named."""
    return frozenset(resources.files(tzdata).joinpath("zones").read_text(encoding="ascii").split())


def read_times(item: Item) -> TimesOfWeek:
    """Read the ``time`` of a match. Raises ``PolicyError``."""
    entries = item.mapping({"within", "outside", "zone"}, required=("zone",))
    sides = [side for side in ("within", "outside") if side in entries]
    if len(sides) != 1:
        item.refuse("not exactly one of within and outside", accepted="within or outside, and a zone")
    zone = entries["zone"].text()
    if zone not in zone_names():
        entries["zone"].refuse(f"{quoted(zone)} is no zone", accepted="a name such as Europe/Berlin or UTC")
    items = entries[sides[0]].one_or_more()
    if len(items) > MAX_SPANS:
        entries[sides[0]].refuse("too many spans", accepted=f"at most {MAX_SPANS}")
    spans = _apart(span for entry in items for span in _read_span(entry))
    if spans == ((0, WEEK),):
        entries[sides[0]].refuse("the whole week, which is always or never", accepted="spans that leave some time out")
    written = ", ".join(str(entry.value) for entry in items)
    return TimesOfWeek(spans, zone, sides[0] == "outside", f"time is {sides[0]} {written} in {zone}")


_CLOCK: Final = r"([01][0-9]|2[0-3]|24):([0-5][0-9])"
_NAME: Final = f"({'|'.join(DAYS)})"
_SPAN: Final = re.compile(f"{_NAME}(?:-{_NAME})? {_CLOCK}-{_CLOCK}", re.ASCII)


def _read_span(item: Item) -> Iterable[tuple[int, int]]:
    match = _SPAN.fullmatch(item.value) if isinstance(item.value, str) else None
    if match is None:
        item.refuse(f"{quoted(item.value)} is no span of the week", accepted=_ACCEPTED)
    first = DAYS.index(match[1])
    last = DAYS.index(match[2] or match[1])
    start, end = int(match[3]) * 60 + int(match[4]), int(match[5]) * 60 + int(match[6])
    if first > last or not start < end <= DAY:
        item.refuse(f"{quoted(item.value)} ends before it begins, or after 24:00", accepted=_ACCEPTED)
    return [(day * DAY + start, day * DAY + end) for day in range(first, last + 1)]


_ACCEPTED: Final = '"Mon-Fri 09:00-17:00" or "Sat 10:00-24:00"; past midnight or Sunday, write two'


def _apart(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sorted, with those that touch or overlap made one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)
