"""The database: one unit per call, opened at a door or a task, never inside an operation. Postgres only."""

from custody.db.base import Base, MoneyColumn
from custody.db.unit import Database, Unit

__all__ = ["Base", "Database", "MoneyColumn", "Unit"]
