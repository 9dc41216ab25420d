"""Units of work. Doors and tasks open one; operations receive it and never commit.

``Unit.now`` is the database's clock (UTC), read once when the unit opens: windows and expiries use one
clock. A test may shift it by ``clock_offset``, which comes from the process environment and is refused
where a mainnet is configured (config.settings), never from the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from custody.kernel.errors import Conflict, Unavailable


class DatabaseUnavailable(Unavailable):
    """Postgres does not answer."""

    code = "database-unavailable"


class UnitConflict(Conflict):
    """Two units met (deadlock, serialization failure, one key written twice); run the whole unit again."""

    code = "unit-conflict"
    retryable = True


_MET: Final = ("40001", "40P01", "23505")
"""Serialization failure, deadlock, and a unique key another unit wrote first: the next try sees what it wrote."""


_AT_ONCE: Final = {"options": "-c jit=off"}
"""No statement here runs for as long as making machine code of it takes."""

_PREPARED: Final = 500
"""How many different statements a connection keeps prepared. A console sends some hundreds in turn: of the driver's
hundred each would be forgotten before it is sent again."""


def _prepare_many(connection: Any, _: object) -> None:
    connection.prepared_max = _PREPARED


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


@dataclass(frozen=True, slots=True)
class Unit:
    """One open unit: a session bound to one transaction, and the time it began."""

    session: Session
    now: datetime


class Database:
    """The engine of one process. ``url`` is ``postgresql+psycopg://…`` for the application's role.

    ``around`` is entered around every unit, for whoever watches: it changes nothing and raises nothing.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 5,
        clock_offset: timedelta = timedelta(0),
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.engine = create_engine(
            url, pool_size=pool_size, max_overflow=5, pool_pre_ping=True, future=True, connect_args=_AT_ONCE
        )
        event.listen(self.engine, "connect", _prepare_many)
        self._offset = clock_offset
        self._around = around

    @contextmanager
    def unit(self) -> Iterator[Unit]:
        """Open a unit, commit on leaving it, roll back on any error.

        Raises ``DatabaseUnavailable`` when Postgres is gone and ``UnitConflict`` (retryable) where two units met.
        """
        try:
            with self._around(), Session(self.engine, expire_on_commit=False) as session, session.begin():
                moment: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
                yield Unit(session, moment.astimezone(UTC) + self._offset)
        except OperationalError as error:
            if _sqlstate(error) in _MET:
                raise UnitConflict("two units met; run it again") from error
            raise DatabaseUnavailable("Postgres does not answer") from error
        except DBAPIError as error:
            if _sqlstate(error) in _MET:
                raise UnitConflict("two units met; run it again") from error
            if error.connection_invalidated:
                raise DatabaseUnavailable("Postgres does not answer") from error
            raise

    def dispose(self) -> None:
        """Close every pooled connection (before a fork, at shutdown)."""
        self.engine.dispose()
