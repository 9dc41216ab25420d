"""What commands print: a table for people, JSON, JSON lines or CSV for programs. Words about it go to standard error.

Every command that takes ``--format`` takes ``--fields`` and ``--wide`` too: ``reading`` gives them to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from custody.cli import tables
from custody.cli.lending import options_of
from custody.cli.tables import WIDTH, at, cell

__all__ = [
    "Format", "FormatOption", "is_for_people", "minute", "plain", "print_sentence", "reading", "show", "show_fields",
    "show_json", "show_whole", "table",
]  # fmt: skip


class Format(StrEnum):
    """How to print what was read."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


FormatOption = Annotated[Format, typer.Option("--format", help="How to print it.")]


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of it: these fields, or every column at any width."""

    fields: tuple[str, ...] = ()
    is_wide: bool = False


_NO_DETAIL: Final = Detail()
_DETAIL: Final[ContextVar[Detail]] = ContextVar("detail", default=_NO_DETAIL)
_FORMULA: Final = ("=", "+", "-", "@")
"""What a spreadsheet takes a cell for when it begins so."""


def reading(command: Any) -> None:
    """Give every command below ``command`` that takes ``--format`` the options ``--fields`` and ``--wide``."""
    for child in getattr(command, "commands", {}).values():
        reading(child)
    if _is_read(command):
        command.params.extend(options_of(_detail))


def show(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], chosen: Format, *, wide: Sequence[str] = ()
) -> None:
    """Print ``rows``: these columns as a table of 80 (``wide`` ones too where asked), everything for programs."""
    detail = _DETAIL.get()
    if chosen is not Format.TABLE:
        _emit(rows, chosen, detail.fields)
        return
    if detail.fields:
        _expect_known(rows, detail.fields)
        columns, wide = detail.fields, ()
    print(table(rows, (*columns, *(wide if detail.is_wide else ())), fit=True))


def is_for_people(chosen: Format) -> bool:
    """Whether a command may print as it likes: nobody chose a format or fields."""
    return chosen is Format.TABLE and not _DETAIL.get().fields


def plain(value: Any) -> Any:
    """A view with its moments as text and its tuples as lists."""
    from datetime import datetime

    if isinstance(value, datetime):
        from custody.kernel.clock import rfc3339

        return rfc3339(value)
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def minute(moment: str) -> str:
    """A moment of a view to its minute, as tables have room for."""
    return f"{moment[:16]}Z"


def show_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def show_fields(row: Mapping[str, Any], chosen: Format) -> None:
    """Print one object: a line per field, or as programs read it."""
    show_whole(row, chosen, lambda: _print_fields(row))


def show_whole(value: Mapping[str, Any], chosen: Format, in_words: Callable[[], None]) -> None:
    """Print one object: ``in_words`` does it for people; its chosen fields where some were chosen."""
    fields = _DETAIL.get().fields
    if chosen is Format.TABLE:
        if not fields:
            in_words()
            return
        _expect_known([value], fields)
        _print_fields({name: at(value, name) for name in fields})
        return
    if chosen is Format.CSV:
        _emit([value], chosen, fields)
        return
    if fields:
        _expect_known([value], fields)
        value = {name: at(value, name) for name in fields}
    if chosen is Format.JSON:
        show_json(value)
    else:
        print(json.dumps(value, ensure_ascii=False))


def table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, fit: bool = False, is_whole: bool = False
) -> str:
    """The rows in these columns; where ``fit``, within 80 unless ``--wide`` was said (``tables.table``)."""
    is_narrow = fit and not _DETAIL.get().is_wide
    return tables.table(rows, columns, width=WIDTH if is_narrow else None, is_whole=is_whole)


def print_sentence(text: str, *, indent: int = 0) -> None:
    """Print a sentence within 80 unless ``--wide`` was said; lines after the first are indented."""
    print(tables.sentence(text, indent=indent, width=None if _DETAIL.get().is_wide else WIDTH))


def _emit(rows: Sequence[Mapping[str, Any]], chosen: Format, fields: Sequence[str]) -> None:
    if fields:
        _expect_known(rows, fields)
        rows = [{name: at(row, name) for name in fields} for row in rows]
    if chosen is Format.JSON:
        show_json(list(rows))
    elif chosen is Format.JSONL:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
    else:
        print(_csv(rows, fields), end="")


def _csv(rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> str:
    """A header and a line per row; nested objects as ``amount.decimal``, lists as JSON, lines end as RFC 4180 says."""
    import csv
    import io

    flat = [dict(_flat(row)) for row in rows]
    names = list(fields) or list(dict.fromkeys(name for row in flat for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([_plain(row.get(name)) for name in names] for row in flat)
    return text.getvalue()


def _flat(row: Mapping[str, Any], head: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{head}{name}.")
        else:
            yield f"{head}{name}", value


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        # A label somebody chose is no formula; a number that is negative is none either.
        is_text = value.startswith(_FORMULA) and not value[1:].replace(".", "", 1).isdigit()
        return f"'{value}" if is_text else value
    return json.dumps(value, ensure_ascii=False)


def _expect_known(rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> None:
    from custody.kernel.errors import InvalidInput

    known = dict.fromkeys(name for row in rows for name in _names(row))
    strange = next((name for name in fields if rows and name not in known), None)
    if strange is not None:
        raise InvalidInput(f"no field {strange}; accepted are {', '.join(known)}", field="fields")


def _names(row: Mapping[str, Any], head: str = "") -> Iterable[str]:
    for name, value in row.items():
        yield f"{head}{name}"
        if isinstance(value, Mapping):
            yield from _names(value, f"{head}{name}.")


def _print_fields(row: Mapping[str, Any]) -> None:
    width = max(map(len, row))
    for name, value in row.items():
        print(f"{name.ljust(width)}  {cell(value)}")


def _is_read(command: Any) -> bool:
    """Whether its ``--format`` is this module's: wallets have formats of their own."""
    found = [parameter for parameter in command.params if "--format" in parameter.opts]
    return any(parameter.default == Format.TABLE for parameter in found)


def _keep_fields(value: str) -> str:
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    _DETAIL.set(replace(_DETAIL.get(), fields=names))
    return value


def _keep_wide(value: bool) -> bool:
    _DETAIL.set(replace(_DETAIL.get(), is_wide=value))
    return value


def _detail(
    detail_fields: Annotated[
        str,
        typer.Option(
            "--fields", metavar="A,B", callback=_keep_fields, help="Only these; nested ones as amount.decimal."
        ),
    ] = "",
    detail_wide: Annotated[
        bool, typer.Option("--wide", callback=_keep_wide, help="Every column, at any width.")
    ] = False,
) -> None:
    """Lend two options. Their names are nobody else's, for a command may have an argument ``fields`` of its own."""
