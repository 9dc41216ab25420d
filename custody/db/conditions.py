"""Conditions that are said the same way however many values there are, so that a connection keeps them prepared."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, any_, literal
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import InstrumentedAttribute


def among(column: InstrumentedAttribute[str], values: Collection[str]) -> ColumnElement[bool]:
    """Whether ``column`` is one of ``values``."""
    found: ColumnElement[bool] = column == any_(literal(sorted(set(values)), ARRAY(TEXT)))
    return found
