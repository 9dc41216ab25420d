"""Conditions that are said the same way however many values there are, so that a connection keeps them prepared."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, any_, literal, literal_column
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import InstrumentedAttribute


def among(column: InstrumentedAttribute[str], values: Collection[str]) -> ColumnElement[bool]:
    """Whether ``column`` is one of ``values``."""
    found: ColumnElement[bool] = column == any_(literal(sorted(set(values)), ARRAY(TEXT)))
    return found


def plain(value: int | StrEnum) -> ColumnElement[Any]:
    """A value of the program's own, written into the statement: of a parameter the planner knows nothing.

    Only for what there are few of. A text that somebody may choose is refused: it is a parameter.
    """
    if isinstance(value, StrEnum) and value.value.replace("_", "").isalpha():
        return literal_column(f"'{value.value}'")
    return literal_column(str(int(value)))
