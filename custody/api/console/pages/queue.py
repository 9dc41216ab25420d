"""The queue: what waits, for whom, how long it still may, and what a careful person looks at twice."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.door import Visit
from custody.api.console.frame import page
from custody.api.console.markup import Markup, element, joined
from custody.api.console.navigation import QUEUE
from custody.api.console.parts import Row, Tone
from custody.kernel.clock import parse_rfc3339
from custody.views.queue import NEEDS_KEYS, NEEDS_ME, NEEDS_OTHERS, ON_CHAIN, STUCK, Page

TABS: Final = {
    "needs-me": (NEEDS_ME, "Needs me"),
    "needs-others": (NEEDS_OTHERS, "Needs others"),
    "needs-keys": (NEEDS_KEYS, "Needs keys"),
    "on-chain": (ON_CHAIN, "On chain"),
    "stuck": (STUCK, "Stuck"),
}
"""The tab in the address, its place in the view, and its word."""
_EMPTY: Final = {
    "needs-me": "Nothing waits for you.",
    "needs-others": "Nothing waits for other people.",
    "needs-keys": "No payment waits for cosigners.",
    "on-chain": "No payment is on its way.",
    "stuck": "Nothing is stuck.",
}
_ORDER: Final = {
    "needs-me": "The earliest deadline first.",
    "needs-others": "The earliest deadline first.",
    "stuck": "What people are asked for first, then payments, oldest first.",
}
_FILLING_PERCENT, _FULL_PERCENT = 75, 100
_SOON_PERCENT, _LAST_PERCENT = 25, 10


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the address asks for."""

    tab: str = "needs-me"
    client: str = ""
    kind: str = ""
    after: str = ""

    def path(self, **changes: str) -> str:
        """The address of the same with some of it changed; what is empty is left out."""
        said = {"tab": self.tab, "client": self.client, "kind": self.kind, "after": self.after} | changes
        return f"{QUEUE}?{urllib.parse.urlencode({key: value for key, value in said.items() if value})}"


def queue(visit: Visit, chosen: Chosen, shown: Page, counts: Mapping[str, Mapping[str, Any]]) -> str:
    """One tab of the queue."""
    return page(
        visit,
        "Queue",
        *content(chosen, shown, counts),
        current=QUEUE,
        live=chosen.path(),
    )


def content(chosen: Chosen, shown: Page, counts: Mapping[str, Mapping[str, Any]]) -> Sequence[Markup]:
    """Everything below the heading: it is what the live script looks at again."""
    rows = [_row(each) for each in shown.rows]
    word = TABS[chosen.tab][1]
    further = [parts.link("Next page", chosen.path(after=shown.next))] if shown.next else []
    back = [parts.link("First page", chosen.path(after=""))] if chosen.after else []
    return (
        element("p", _summary(shown, chosen, counts), class_="summary"),
        _tabs(chosen, counts),
        _filters(chosen),
        element("p", _ORDER.get(chosen.tab, "The oldest first."), class_="soft"),
        element("p", id="fresh-rows"),
        parts.table(word, _HEADS, rows, empty=_empty(chosen, counts)),
        element("p", *joined_with_space(*back, *further)) if back or further else joined(),
    )


def joined_with_space(*links: Markup) -> tuple[str, ...]:
    """Links beside one another."""
    return tuple(part for link in links for part in (link, " "))


_KEPT: Final = lru_cache(maxsize=1_024)
"""What rows are made of is made once: whoever looks, they say the same until something happens."""
_HEADS: Final = ("what", "client", "risk", "people", "age", "time left")


def _row(row: Mapping[str, Any]) -> Row:
    who = row["client_name"] or row["client"] or "the house"
    where = f"/console/intents/{row['digest']}"
    left = row.get("left_percent")
    tone: Tone = (
        "plain" if left is None else "bad" if left < _LAST_PERCENT else "warn" if left < _SOON_PERCENT else "plain"
    )
    version = "-".join(str(row.get(key)) for key in ("status", "reason", "place"))
    return Row(
        (_what(row, where), who, _risks_of(row), _people_of(row), _age(row), _left(row, tone)),
        tone="warn" if row["risks"] and tone == "plain" else tone,
        id=f"row-{row['digest'][:16]}",
        version=version,
        attributes={"data_open": where},
    )


def _what(row: Mapping[str, Any], where: str) -> Markup:
    kind = row["kind"].replace("_", " ")
    if row["amount"] is None or row["asset"] is None:
        return joined(element("a", row["sentence"], href=where), " ", element("span", kind, class_="soft"))
    to = row.get("destination_name") or ""
    return _payment(kind, row["amount"]["decimal"], row["asset"]["code"], to, row["destination"] or "", where)


@_KEPT
def _payment(kind: str, decimal: str, code: str, name: str, destination: str, where: str) -> Markup:
    place = element("span", name) if name else parts.short_address(destination) if destination else ""
    money = parts.amount(decimal, code)
    return joined(element("a", f"{kind.capitalize()} ", money, href=where), " to " if place else "", place)


def _risks_of(row: Mapping[str, Any]) -> Markup:
    full = tuple((each["words"], each["percent"]) for each in row["limits"] if each["percent"] is not None)
    return _risks(tuple(row["risks"]), full)


@_KEPT
def _risks(risks: tuple[str, ...], limits: tuple[tuple[str, int], ...]) -> Markup:
    cues = [element("li", parts.tag("Look", "warn"), f" {each}") for each in risks]
    bars = [
        element("li", parts.bar(f"{words}: {percent} %", percent, 100, tone=_filled(percent)))
        for words, percent in limits
    ]
    return element("ul", *cues, *bars, class_="plain") if cues or bars else element("span", "none seen", class_="soft")


def _filled(percent: int) -> Tone:
    return "bad" if percent > _FULL_PERCENT else "warn" if percent >= _FILLING_PERCENT else "info"


_AGREED: Final = "\u00a0✓"
"""Behind a name, and on its line."""


def _people_of(row: Mapping[str, Any]) -> Markup:
    if "people" not in row:
        return joined(row["reason"] or f"next: {row['next_actor']}")
    lines = [
        f"{each['needed'] - each['missing']} of {each['needed']} {each['group']}"
        + (f": {', '.join(f'{name}{_AGREED}' for name in each['agreed'])}" if each["agreed"] else "")
        for each in row["people"]
    ]
    waits = [f"{name}: {', '.join(people) or 'nobody left who may'}" for name, people in row["missing_people"].items()]
    if waits:
        lines.append(f"missing {'; '.join(waits)}")
    if row["delay_left_seconds"] and not waits:
        lines.append(row["reason"])
    if row["you_are_last"]:
        lines.append("you would be the last")
    return _people(tuple(lines or [row["reason"]]))


@_KEPT
def _people(lines: tuple[str, ...]) -> Markup:
    return element("ul", *(element("li", each) for each in lines), class_="plain")


def _age(row: Mapping[str, Any]) -> Markup:
    return parts.one(parts.lasting(timedelta(seconds=row["age_seconds"])))


def _left(row: Mapping[str, Any], tone: Tone) -> Markup:
    if "left_seconds" not in row:
        return element(
            "span", f"{parts.lasting(timedelta(seconds=row['in_state_seconds']))} in this state", class_="soft"
        )
    words = f"{parts.lasting(timedelta(seconds=row['left_seconds']))} left"
    soon = {"warn": "running out", "bad": "almost over"}.get(tone)
    delay = (
        f"delay ends in {parts.lasting(timedelta(seconds=row['delay_left_seconds']))}"
        if row["delay_left_seconds"]
        else ""
    )
    return joined(
        element(
            "span",
            words,
            class_="one",
            title=f"until {parse_rfc3339(row['expires_at'], field='expires_at'):%Y-%m-%d %H:%M} UTC",
        ),
        " " if soon else "",
        parts.tag(soon, tone) if soon else "",
        element("span", f" {delay}", class_="soft") if delay else "",
    )


def _tabs(chosen: Chosen, counts: Mapping[str, Mapping[str, Any]]) -> Markup:
    items = []
    for tab, (place, word) in TABS.items():
        here = {"aria_current": "page"} if tab == chosen.tab else {}
        items.append(
            element("li", element("a", f"{word} {number(counts[place])}", href=chosen.path(tab=tab, after=""), **here))
        )
    return element("nav", element("ul", *items, class_="tabs"), aria_label="Queue", class_="of-page")


def number(count: Mapping[str, Any]) -> str:
    """A count, with a plus where counting stopped."""
    return f"{count['count']:,}".replace(",", "\u202f") + ("+" if count.get("at_least") else "")


def _filters(chosen: Chosen) -> Markup:
    return parts.form(
        QUEUE,
        parts.hidden("tab", chosen.tab),
        parts.entry("Client", "client", value=chosen.client, kind="search"),
        parts.entry("Kind", "kind", value=chosen.kind, kind="search"),
        parts.button("Filter"),
        method="get",
        class_="filters",
    )


def _summary(shown: Page, chosen: Chosen, counts: Mapping[str, Mapping[str, Any]]) -> str:
    said = f"{number(counts[NEEDS_ME])} {'needs' if counts[NEEDS_ME]['count'] == 1 else 'need'} you"
    if chosen.tab == "needs-me" and shown.rows and not chosen.after:
        soonest = parts.lasting(timedelta(seconds=min(row["left_seconds"] for row in shown.rows)))
        oldest = parts.lasting(timedelta(seconds=max(row["age_seconds"] for row in shown.rows)))
        said += f", the oldest on this page {oldest}, the first expires in {soonest}"
    stuck = counts[STUCK]["count"]
    return f"{said}. {number(counts[STUCK])} {'is' if stuck == 1 else 'are'} stuck."


def _empty(chosen: Chosen, counts: Mapping[str, Mapping[str, Any]]) -> str:
    others = f"{number(counts[NEEDS_OTHERS])} wait for others, {number(counts[NEEDS_KEYS])} for keys."
    of = " with these filters" if chosen.client or chosen.kind else ""
    return f"{_EMPTY[chosen.tab].rstrip('.')}{of}. {others}"
