"""Counting the SQL statements of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from custody.db import Database


@contextmanager
def recorded(database: Database) -> Iterator[list[str]]:
    """Every statement that goes to Postgres inside the block."""
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def statements_of(database: Database, call: Callable[[], object]) -> list[str]:
    """The statements ``call`` sends."""
    with recorded(database) as seen:
        call()
    return seen
