"""Tables for people: header words without blanks, one row per object, numbers to the right, at most 80 columns.

A table that is too wide gives up detail before it gives up rows: sentences are cut, addresses and hashes lose their
middle, then the last columns go. Ids are never shortened, for they are typed again. ``wide`` keeps everything. What
other people wrote cannot move the cursor: characters that do not print are shown as ``?``.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from custody.kernel.lettering import told

WIDTH: Final = 80
GAP: Final = 2
_LEAST: Final = 14
"""Columns a sentence keeps, however little room there is."""
_OPAQUE: Final = re.compile(r"(0x)?[0-9A-Za-z]{24,}", re.ASCII)
_KEPT: Final = 2
"""The first columns, which say what a row is of."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its head, and where in a row it is found (``amount.decimal``)."""

    head: str
    path: str

    @classmethod
    def of(cls, text: str) -> Column:
        """``head=path``, or a path that is its own head."""
        head, sign, path = text.partition("=")
        return cls((head if sign else text).replace(" ", "_"), path if sign else text)


def table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, width: int | None = None, is_whole: bool = False
) -> str:
    """The rows in these columns (``Column.of``), not wider than ``width`` where it is given.

    One that ``is_whole`` loses no column: where it does not fit, each row stands below the other, a line per column.
    """
    chosen = [Column.of(column) for column in columns]
    heads = [column.head.upper() for column in chosen]
    cells = [[cell(at(row, column.path)) for column in chosen] for row in rows]
    right = [bool(cells) and all(_is_number(line[place]) for line in cells) for place in range(len(chosen))]
    if width is not None:
        whole = heads, cells
        cells, heads = _fitted(cells, heads, right, width)
        if is_whole and cells and len(heads) < len(chosen):
            return _stacked(*whole)
    widths = _widths(cells, heads)
    return "\n".join(_line(line, widths, right) for line in [heads, *cells])


def at(row: Any, path: str) -> Any:
    """What stands at ``path`` in nested objects; ``None`` where nothing does."""
    for name in path.split(".") if isinstance(row, Mapping) and path not in row else [path]:
        row = row.get(name) if isinstance(row, Mapping) else None
    return row


def cell(value: Any) -> str:
    """A value in words."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return " ".join(map(cell, value)) or "-"
    if isinstance(value, Mapping):
        return " ".join(f"{name}={cell(item)}" for name, item in value.items()) or "-"
    return printable(str(value))


def printable(text: str) -> str:
    """On one line, nothing in it that a terminal obeys, and letters that can mislead marked."""
    return told("".join(character if character.isprintable() else "?" for character in text))


def _fitted(
    cells: list[list[str]], heads: list[str], right: Sequence[bool], width: int
) -> tuple[list[list[str]], list[str]]:
    """Cells and heads that fit: first what is opaque, then sentences, then the last columns."""
    for place in range(len(heads) - 1, -1, -1):
        if _total(cells, heads) > width and not right[place]:
            cells = [[*line[:place], _without_middle(line[place]), *line[place + 1 :]] for line in cells]
    for place in range(len(heads) - 1, -1, -1):
        over = _total(cells, heads) - width
        if over > 0 and not right[place]:
            room = max(_LEAST, _widths(cells, heads)[place] - over)
            cells = [[*line[:place], _cut(line[place], room), *line[place + 1 :]] for line in cells]
    while _total(cells, heads) > width and len(heads) > _KEPT:
        heads = heads[:-1]
        cells = [line[:-1] for line in cells]
    return cells, heads


def _stacked(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Each row as lines of its own, with numbers under each other."""
    left, right = max(map(len, heads)), max(len(line[place]) for line in cells for place in range(_KEPT, len(heads)))
    blocks = [
        "\n".join(
            f"{head.ljust(left)}{'':{GAP}}{text.rjust(right) if place >= _KEPT else text}"
            for place, (head, text) in enumerate(zip(heads, line, strict=True))
        )
        for line in cells
    ]
    return "\n\n".join(blocks)


def sentence(text: str, *, indent: int = 0, width: int | None = WIDTH) -> str:
    """A sentence in lines of ``width``, those after the first indented; words, ids and hashes are left whole."""
    if width is None:
        return text
    return "\n".join(
        textwrap.wrap(
            text,
            width,
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def _without_middle(text: str) -> str:
    return f"{text[:8]}…{text[-8:]}" if _OPAQUE.fullmatch(text) else text


def _cut(text: str, room: int) -> str:
    return text if " " not in text or len(text) <= room else text[: room - 1].rstrip() + "…"


def _total(cells: Sequence[Sequence[str]], heads: Sequence[str]) -> int:
    return sum(_widths(cells, heads)) + GAP * (len(heads) - 1)


def _widths(cells: Sequence[Sequence[str]], heads: Sequence[str]) -> list[int]:
    return [max(map(len, (head, *(line[place] for line in cells)))) for place, head in enumerate(heads)]


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    parts = [
        cell.rjust(width) if is_right else cell.ljust(width)
        for cell, width, is_right in zip(cells, widths, right, strict=False)
    ]
    return (" " * GAP).join(parts).rstrip()


def _is_number(text: str) -> bool:
    return text == "-" or text.lstrip("-").replace(".", "", 1).isdigit()
