"""The parts every page is made of. A part shows what it is given; none of them asks or decides anything.

A state has a word and a shape beside its colour, an address is never cut, and what cannot be pressed says why.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from custody.api.console.markup import Markup, element, joined
from custody.kernel.clock import rfc3339

Tone = Literal["plain", "ok", "info", "warn", "bad"]
SHAPES: Final = {"plain": "○", "ok": "●", "info": "◆", "warn": "▲", "bad": "■"}
"""A shape for each tone, so that colour is never alone."""
PREFIXES: Final = ("bcrt1", "bc1", "tb1", "0x")
"""What all addresses of a network begin with: it tells nothing apart."""
_LEVELS: Final = {"plain": "Note", "ok": "Fine", "info": "Note", "warn": "Look", "bad": "Stop"}
_BAR: Final = 240
_SLUG: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its cells, in the order of the heads, and what sets the row apart."""

    cells: Sequence[str]
    tone: Tone = "plain"
    id: str = ""
    version: str = ""
    """Changes whenever what the row shows does; the live script compares it."""
    attributes: dict[str, str] = field(default_factory=dict)


def address(text: str, *, twin: str = "") -> Markup:
    """A whole address in groups of four; groups that differ from ``twin``'s are marked. Copying yields no spaces."""
    prefix, groups = groups_of(text)
    others = groups_of(twin)[1] if twin else groups
    parts = [element("span", prefix, class_="prefix")] if prefix else []
    for place, group in enumerate(groups):
        differs = place >= len(others) or others[place] != group
        parts.append(element("mark" if differs else "span", group, class_="g"))
    return element("span", *parts, class_="address")


def groups_of(text: str) -> tuple[str, list[str]]:
    """What says nothing, and the rest in fours."""
    prefix = next((each for each in PREFIXES if text.startswith(each)), "")
    rest = text[len(prefix) :]
    return prefix, [rest[place : place + 4] for place in range(0, len(rest), 4)]


def short_address(text: str) -> Markup:
    """An address where nothing is decided: whole on wide screens; its ends on narrow ones, the whole when read out."""
    ends = f"{text[:8]}…{text[-8:]}" if len(text) > 20 else text
    return element(
        "span",
        element("span", text, class_="wide"),
        element("span", ends, class_="narrow", aria_hidden="true"),
        class_="in-list mono",
    )


def hexadecimal(text: str, *, id_: str = "") -> Markup:
    """A hash, whole, in an exact face; it wraps."""
    return element("span", text, class_="mono whole", **({"id": id_} if id_ else {}))


def amount(decimal: str, code: str, *, base_units: str = "") -> Markup:
    """``1.25 000 000 BTC``: every decimal, in threes from the right, so that copying yields no spaces."""
    whole, _, rest = decimal.partition(".")
    parts = [*_threes(whole)]
    if rest:
        parts += [element("span", "."), *_threes(rest)]
    units = element("span", f" ({_grouped(base_units)} base units)", class_="soft") if base_units else ""
    return element("span", *parts, element("span", f" {code}", class_="unit"), units, class_="amount")


def digest_code(code: str) -> Markup:
    """The code that people compare: four groups, the same on every screen and paper."""
    return element("p", code, class_="code", id="code")


def tag(word: str, tone: Tone = "plain") -> Markup:
    """A state: a word, with a shape."""
    return element("span", element("span", SHAPES[tone], aria_hidden="true"), f" {word}", class_=f"tag {tone}")


def banner(words: str, tone: Tone = "warn", *, more: int = 0) -> Markup:
    """The one banner of a page; ``more`` counts what it stands before."""
    rest = f" And {more} more." if more else ""
    return element("p", tag(_LEVELS[tone], tone), f" {words}{rest}", class_=f"banner {tone}", role="status")


def facts(*rows: tuple[str, str], class_: str = "plain") -> Markup:
    """Names and values, one under the other."""
    pairs = [part for name, value in rows for part in (element("dt", name), element("dd", value))]
    return element("dl", *pairs, class_=class_)


def table(
    caption: str, heads: Sequence[str], rows: Sequence[Row], *, empty: str, numbers: Sequence[int] = ()
) -> Markup:
    """A table with a caption; below 720 px each row is a card with the heads beside its cells.

    ``numbers`` are the places of columns to be set flush right. Without rows: ``empty``, in a sentence.
    """
    if not rows:
        return element("section", element("h2", caption), element("p", empty), class_="empty")
    # The roles are the elements' own; a browser forgets them where a table is laid out as cards.
    head = element(
        "thead",
        element("tr", *(_head(each, place in numbers) for place, each in enumerate(heads)), role="row"),
        role="rowgroup",
    )
    body = element("tbody", *(_row(each, heads, numbers) for each in rows), role="rowgroup")
    return element("table", element("caption", caption), head, body, role="table")


def section(title: str, *body: str, id_: str = "") -> Markup:
    """A part of a page with a heading of its own."""
    name = id_ or slug(title)
    return element("section", element("h2", title, id=name), *body, aria_labelledby=name)


def disclosure(summary: str, *body: str, id_: str = "") -> Markup:
    """What is one press away: nothing is hidden behind a hover."""
    return element("details", element("summary", summary), *body, **({"id": id_} if id_ else {}))


def button(
    label: str,
    *,
    why_not: str = "",
    name: str = "",
    value: str = "",
    tone: str = "",
    id_: str = "",
    kind: str = "submit",
    described_by: str = "",
    **data: str,
) -> Markup:
    """A button that names its effect. ``why_not`` closes it and stands beside it: nothing else closes one."""
    given = {"name": name, "value": value, "class_": tone, "id": id_, "aria_describedby": described_by}
    attributes = {key: each for key, each in given.items() if each} | data
    if not why_not:
        return element("button", label, type=kind, **attributes)
    why = f"why-{id_ or slug(label)}"
    attributes["aria_describedby"] = why
    closed = element("button", label, type=kind, disabled="disabled", **attributes)
    return element("span", closed, element("span", why_not, class_="why", id=why), class_="closed")


def form(action: str, *body: str, method: str = "post", class_: str = "", id_: str = "") -> Markup:
    """A form that goes to ``action``; it works without script."""
    more = {key: value for key, value in (("class_", class_), ("id", id_)) if value}
    # The server's own words are shown, beside what they are about, and not the browser's.
    return element("form", *body, method=method, action=action, novalidate="novalidate", **more)


def entry(
    label: str, name: str, *, hint: str = "", value: str = "", problem: str = "", kind: str = "text", lines: int = 0
) -> Markup:
    """One field with its label, what is accepted, and what was wrong with it."""
    described = " ".join(f"{name}-{part}" for part, words in (("hint", hint), ("problem", problem)) if words)
    attributes = {"id": name, "name": name} | ({"aria_describedby": described} if described else {})
    if problem:
        attributes["aria_invalid"] = "true"
    if lines:
        box = element("textarea", value, rows=str(lines), **attributes)
    else:
        box = element("input", type=kind, value=value, autocomplete="off", **attributes)
    return element(
        "div",
        element("label", label, for_=name),
        element("p", hint, id=f"{name}-hint", class_="soft") if hint else "",
        element("p", tag("Error", "bad"), f" {problem}", id=f"{name}-problem", class_="bad") if problem else "",
        box,
        class_="entry long" if lines else "entry",
    )


def choice(label: str, name: str, options: Sequence[tuple[str, str]], *, chosen: str = "", hint: str = "") -> Markup:
    """One of several ``(value, words)``."""
    made = [
        element("option", words, value=value, **({"selected": "selected"} if value == chosen else {}))
        for value, words in options
    ]
    described = {"aria_describedby": f"{name}-hint"} if hint else {}
    return element(
        "div",
        element("label", label, for_=name),
        element("p", hint, id=f"{name}-hint", class_="soft") if hint else "",
        element("select", *made, id=name, name=name, **described),
        class_="entry",
    )


def hidden(name: str, value: str) -> Markup:
    """Something a form sends along."""
    return element("input", type="hidden", name=name, value=value)


def bar(words: str, part: int, whole: int, *, tone: Tone = "info") -> Markup:
    """How much of ``whole`` is used: ``words`` say both numbers, and the drawing is beside them."""
    width = _BAR if whole <= 0 else max(0, min(_BAR, part * _BAR // whole))
    drawn = element(
        "svg",
        element("rect", x="0", y="0", width=str(_BAR), height="8", class_="track"),
        element("rect", x="0", y="0", width=str(width), height="8", class_=f"used {tone}"),
        viewBox=f"0 0 {_BAR} 8",
        class_="bar",
        aria_hidden="true",
    )
    return element("span", element("span", words), drawn, class_="gauge")


def moment(at: datetime, now: datetime | None = None) -> Markup:
    """A time in UTC; with ``now``, how far off it is as well."""
    spelled = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    more = [" ", one(f"({apart(at, now)})")] if now is not None else []
    return element("time", spelled, *more, datetime=rfc3339(at))


def one(words: str) -> Markup:
    """What is read as one and breaks into no two lines."""
    return element("span", words, class_="one")


def apart(at: datetime, now: datetime) -> str:
    """``4 min ago`` or ``in 2 h``."""
    return f"in {lasting(at - now)}" if at > now else f"{lasting(now - at)} ago"


def lasting(span: timedelta) -> str:
    """A length of time in its largest whole unit: ``45 s``, ``14 min``, ``2 h``, ``3 d``."""
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86_400 * 2, "d"), (7_200, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds // {'d': 86_400, 'h': 3_600, 'min': 60}[unit]} {unit}"
    return f"{seconds} s"


def link(words: str, to: str, **attributes: str) -> Markup:
    """A link inside the console."""
    return element("a", words, href=to, **attributes)


def lines(*words: str) -> Markup:
    """Sentences, each on a line of its own."""
    return joined(*(element("p", each) for each in words))


def slug(words: str) -> str:
    """A name for an element, made of its words."""
    return _SLUG.sub("-", words.lower()).strip("-")[:60] or "part"


def _row(row: Row, heads: Sequence[str], numbers: Sequence[int]) -> Markup:
    cells = [_cell(place, cell, heads[place], place in numbers) for place, cell in enumerate(row.cells)]
    given = {"class_": "" if row.tone == "plain" else str(row.tone), "id": row.id, "data_version": row.version}
    attributes = {key: value for key, value in given.items() if value}
    return element("tr", *cells, role="row", **attributes, **row.attributes)


def _head(words: str, is_number: bool) -> Markup:
    style = {"class_": "number"} if is_number else {}
    return element("th", words, scope="col", role="columnheader", **style)


def _cell(place: int, cell: str, head: str, is_number: bool) -> Markup:
    style = {"class_": "number"} if is_number else {}
    if place == 0:
        return element("th", cell, scope="row", role="rowheader", data_head=head, **style)
    return element("td", cell, role="cell", data_head=head, **style)


def _threes(digits: str) -> list[Markup]:
    first = len(digits) % 3
    cut = [digits[:first], *(digits[place : place + 3] for place in range(first, len(digits), 3))]
    return [element("span", part, class_="d") for part in cut if part]


def _grouped(digits: str) -> str:
    return f"{int(digits):,}".replace(",", "\u202f")
