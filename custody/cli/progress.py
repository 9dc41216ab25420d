"""Progress of long work on standard error: a bar at a terminal, one line for each tenth anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

_ITEM = TypeVar("_ITEM")
_TENTHS: Final = 10
_SMALL: Final = 100
"""Fewer are done before anybody reads a line."""


def watched(items: Iterable[_ITEM], number: int, *, doing: str, from_number: int = _SMALL) -> Iterable[_ITEM]:
    """Pass ``items`` on, of which there are ``number``, and say how far it is; nothing of fewer."""
    if number < from_number:
        return items
    if not sys.stderr.isatty():
        return _in_lines(items, number, doing)
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return _in_a_bar(Progress(*columns, console=Console(file=sys.stderr)), items, number)


def _in_lines(items: Iterable[_ITEM], number: int, doing: str) -> Iterator[_ITEM]:
    said = 0
    for done, item in enumerate(items, 1):
        yield item
        tenth = done * _TENTHS // number if number else _TENTHS
        if tenth > said:
            said = tenth
            print(f"{doing}: {tenth * 10} %, {done} of {number}", file=sys.stderr, flush=True)


def _in_a_bar(bar: object, items: Iterable[_ITEM], number: int) -> Iterator[_ITEM]:
    from rich.progress import Progress

    assert isinstance(bar, Progress)
    with bar:
        yield from bar.track(items, total=number)
