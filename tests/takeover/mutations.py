"""Every small change of a JSON document: each value at each place, by every operator that fits its type.

Deterministic: the same document gives the same mutations in the same order. The kind of a mutation is its place without
numbers of lists, and the operator: ``payments[].intent.request.amount: one more``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from custody.kernel.clock import rfc3339

Path = tuple[str | int, ...]
Change = Callable[[Any], Any]

OPPOSITES = {
    "approve": "reject",
    "segregated": "omnibus",
    "withdrawal": "sweep",
    "client_opening": "freeze",
    "require": "allow",
    "active": "closed",
    "none": "open",
    "listed": "new",
    "new": "listed",
    "list": "delist",
    "clear": "hit",
    "fresh": "disputed",
    "plain": "contract",
    "status": "prices",
    "prices": "status",
    "screening": "status",
}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
GONE = object()
"""What an operator returns for a value that is taken out."""


@dataclass(frozen=True)
class Mutation:
    """One changed document."""

    kind: str
    path: Path
    document: Any

    def __str__(self) -> str:
        return f"{written(self.path)}: {self.kind.partition(': ')[2]}"


def mutations(document: Any, *, opaque: frozenset[str] = frozenset()) -> Iterator[Mutation]:
    """Every mutation of ``document``. Places in ``opaque`` (without numbers) are changed whole and not entered."""
    for path, value in places(document, opaque=opaque):
        for name, change in operators(value, at_top=not path):
            changed = change(copy.deepcopy(value))
            if changed is not GONE and _same(changed, value):
                continue
            yield Mutation(f"{pattern(path) or 'all of it'}: {name}", path, _with(document, path, changed))
    yield from _exchanges(document, opaque)


def places(document: Any, path: Path = (), *, opaque: frozenset[str] = frozenset()) -> Iterator[tuple[Path, Any]]:
    """Every place of a document and what stands there, from the outside in."""
    yield path, document
    if pattern(path) in opaque:
        return
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document if isinstance(document, list) else ())
    )
    for key, value in inside:
        yield from places(value, (*path, key), opaque=opaque)


def operators(value: Any, *, at_top: bool = False) -> Iterator[tuple[str, Change]]:
    """What can be done to a value of this type."""
    if not at_top:
        yield "taken out", lambda _: GONE
        yield "nothing", lambda _: None
    yield from _OPERATORS.get(type(value), ())
    if isinstance(value, str):
        yield from _well_formed(value)


def _well_formed(text: str) -> Iterator[tuple[str, Change]]:
    """Changes that leave a text what it is: another moment, another number, the opposite word."""
    if text in OPPOSITES:
        yield "the opposite", lambda _: OPPOSITES[text]
    if _MOMENT.fullmatch(text):
        yield "an hour earlier", lambda _: _moved(text, hours=-1)
        yield "an hour later", lambda _: _moved(text, hours=1)
        yield "a year later", lambda _: _moved(text, hours=24 * 365)
    if text.isascii() and text.isdigit() and len(text) < 40:
        yield "one unit more", lambda _: str(int(text) + 1)
        yield "ten times", lambda _: f"{text}0"


def pattern(path: Path) -> str:
    """A place without the numbers of lists: ``payments[].intent``."""
    return re.sub(r"\[\d+\]", "[]", written(path))


def written(path: Path) -> str:
    """A place as people write it: ``payments[0].intent``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _exchanges(document: Any, opaque: frozenset[str]) -> Iterator[Mutation]:
    """Two different values of one pattern change places: one person's signature for another's."""
    seen: dict[str, list[tuple[Path, Any]]] = {}
    for path, value in places(document, opaque=opaque):
        if "[]" in pattern(path):
            seen.setdefault(pattern(path), []).append((path, value))
    for name, found in seen.items():
        for (one, first), (other, second) in pairwise(found):
            if first != second:
                changed = _with(_with(document, one, copy.deepcopy(second)), other, copy.deepcopy(first))
                yield Mutation(f"{name}: exchanged", one, changed)


def _with(document: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    holder = changed
    for part in path[:-1]:
        holder = holder[part]
    if value is GONE:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return changed


def _moved(text: str, *, hours: int) -> str:
    return rfc3339(datetime.fromisoformat(text) + timedelta(hours=hours))


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def _flip(text: str, place: int) -> str:
    old = text[place]
    new = {"0": "1", "9": "8", "a": "b", "f": "e", "A": "B", "=": "A"}.get(old, "0" if old.isdigit() else "a")
    return text[:place] + (new if new != old else "b") + text[place:][1:]


_OPERATORS: dict[type, tuple[tuple[str, Change], ...]] = {
    str: (
        ("empty", lambda _: ""),
        ("first letter changed", lambda text: _flip(text, 0) if text else "a"),
        ("last letter changed", lambda text: _flip(text, -1)[: len(text)] if text else "b"),
        ("cut short", lambda text: text[:-1]),
        ("made longer", lambda text: f"{text}0"),
        ("said twice", lambda text: text + text),
        ("blank behind", lambda text: f"{text} "),
        ("capitals", lambda text: text.upper()),
        ("other digits", lambda text: text.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))),
        ("a number", lambda _: 7),
        ("in a list", lambda text: [text]),
        ("minus", lambda text: f"-{text}"),
    ),
    int: (
        ("one more", lambda number: number + 1),
        ("one less", lambda number: number - 1),
        ("negative", lambda number: -number - 1),
        ("huge", lambda _: 2**63),
        ("a text", str),
        ("yes", lambda _: True),
        ("a fraction", lambda number: number + 0.5),
    ),
    bool: (("turned round", lambda value: not value),),
    type(None): (("something", lambda _: "something"), ("an object", lambda _: {})),
    list: (
        ("emptied", lambda _: []),
        ("first left out", lambda items: items[1:]),
        ("last left out", lambda items: items[:-1]),
        ("first twice", lambda items: items[:1] + items),
        ("turned round", lambda items: items[::-1]),
        ("an object", lambda _: {}),
        ("hole in it", lambda items: [*items, None]),
    ),
    dict: (
        ("emptied", lambda _: {}),
        ("a field more", lambda fields: {**fields, "extra": "1"}),
        ("a list", lambda fields: [fields]),
    ),
}
