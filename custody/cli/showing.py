"""What commands print: a table for people, JSON for programs. Words about it go to standard error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer


class Format(StrEnum):
    """How to print what was read."""

    TABLE = "table"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="How to print it.")]


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], chosen: Format) -> None:
    """Print ``rows``: these columns as a table, or everything as JSON."""
    if chosen is Format.JSON:
        show_json(list(rows))
        return
    print(table(rows, columns))


def show_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def show_fields(row: Mapping[str, Any], chosen: Format) -> None:
    """Print one object: a line per field, or JSON."""
    if chosen is Format.JSON:
        show_json(row)
        return
    width = max(map(len, row))
    for name, value in row.items():
        print(f"{name.ljust(width)}  {_cell(value)}")


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Header words without blanks, one row per object, what is a number to the right."""
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    heads = [column.replace(" ", "_").upper() for column in columns]
    widths = [max(map(len, (head, *(line[place] for line in cells)))) for place, head in enumerate(heads)]
    right = [bool(cells) and all(_is_number(line[place]) for line in cells) for place in range(len(columns))]
    return "\n".join(_line(line, widths, right) for line in [heads, *cells])


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    parts = [
        cell.rjust(width) if is_right else cell.ljust(width)
        for cell, width, is_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(parts).rstrip()


def _is_number(cell: str) -> bool:
    return cell == "-" or cell.lstrip("-").replace(".", "", 1).isdigit()


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return " ".join(map(_cell, value)) or "-"
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_cell(item)}" for name, item in value.items()) or "-"
    return str(value)
