"""What every list of the money's pages has: a way on, a way to search, amounts and times as views give them."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from custody.api.console import parts
from custody.api.console.markup import Markup, element, joined
from custody.kernel.clock import parse_rfc3339


def turn(path: str, following: str | None, *, began: bool, **kept: str) -> Markup | str:
    """Links to the first page and to the next one, as far as there are any; ``kept`` are the filters that stay."""
    stays = {name: value for name, value in kept.items() if value}
    links = []
    if began:
        links.append(parts.link("First page", where(path, **stays)))
    if following:
        links.append(parts.link("Next page", where(path, **stays, after=following)))
    return element("p", *links, class_="pager") if links else ""


def where(path: str, **query: str) -> str:
    """A path inside the console, with whatever of ``query`` says something."""
    said = urllib.parse.urlencode({name: value for name, value in query.items() if value})
    return f"{path}?{said}" if said else path


def search(path: str, label: str, name: str, value: str, *, hint: str, go: str = "Search") -> Markup:
    """A form of one field that asks by GET, so that what is found has an address of its own."""
    box = parts.entry(label, name, value=value, hint=hint, kind="search")
    return parts.form(path, box, parts.button(go), method="get", class_="filters", id_=f"find-{name}")


def money(said: Mapping[str, str], asset: Mapping[str, Any]) -> Markup:
    """One amount of a view."""
    return parts.amount(said["decimal"], asset["code"])


def stacked(said: Sequence[Markup | str], *, none: str = "none") -> Markup | str:
    """Several things in one cell, one under the other."""
    if not said:
        return none
    return joined(*(element("div", each) for each in said))


def at(moment: str | None, now: datetime, *, never: str = "never") -> Markup | str:
    """A time of a view, and how long ago; ``never`` where there is none."""
    return never if moment is None else parts.moment(parse_rfc3339(moment, field="at"), now)


def sentence(words: str) -> str:
    """The words of a state or reason as people read them."""
    return words.replace("_", " ")


def network(chain: str, names: Mapping[str, str]) -> str:
    """The network's short name, or its id where this house does not serve it."""
    return names.get(chain, chain)


def stops(said: Iterable[Mapping[str, Any]], now: datetime) -> Markup | str:
    """What is stopped, why, since when and what lifts it; empty where nothing is."""
    rows = [
        parts.Row(
            (
                sentence(each["scope"]),
                sentence(each["cause"]),
                each["reason"],
                at(each["since"], now),
                _by_whom(each),
                _LIFTS.get(each["cause"], "an intent to unfreeze, agreed to by the people the policy asks"),
            ),
            tone="bad",
        )
        for each in said
    ]
    heads = ("what is stopped", "cause", "why", "since", "asked for by", "what lifts it")
    return parts.table("What stops it", heads, rows, empty="") if rows else ""


_LIFTS: Final = {"break": "a break resolution, and nothing else"}


def _by_whom(stop: Mapping[str, Any]) -> Markup | str:
    digest = stop["intent"]
    return "the daemon" if digest is None else parts.link("this intent", f"/console/intents/{digest}")
