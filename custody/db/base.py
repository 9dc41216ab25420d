"""The declarative base every room's ``tables`` builds on, and the column types they share."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import TIMESTAMP, MetaData, Numeric, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class MoneyColumn(TypeDecorator[int]):
    """Base units: ``int`` in Python, ``NUMERIC(78,0)`` in Postgres."""

    impl = Numeric(78, 0)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Any) -> Decimal | None:  # noqa: ARG002  SQLAlchemy's signature
        """Only ints go in."""
        if value is None:
            return None
        if type(value) is not int:
            raise TypeError("money is an int of base units")
        return Decimal(value)

    def process_result_value(self, value: Any, dialect: Any) -> int | None:  # noqa: ARG002  SQLAlchemy's signature
        """Only ints come out."""
        return None if value is None else int(value)


class Base(DeclarativeBase):
    """Base of every mapped row. ``datetime`` is timestamptz, ``dict``/``list`` are JSONB."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }
