"""The house as a command sees it: the runtime from the settings, and sessions that see one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from custody.bootstrap import Runtime, ServedChain


def runtime() -> Runtime:
    """``bare``, with whatever the trust root registers. Raises ``ConfigError`` where that has no rules."""
    from custody import bootstrap

    return bootstrap.with_registered(bare())


def bare() -> Runtime:
    """Settings read, parts put together, logs to standard error. Raises ``ConfigError``."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    from config.chains import ConfigError
    from config.logging import configure
    from custody import bootstrap

    settings = bootstrap.read_settings()
    configure(settings.log_format, process="cli")
    try:
        make_url(settings.database_url)
    except (ArgumentError, ValueError):
        raise ConfigError("CUSTODY_DATABASE_URL", "not an address of a database") from None
    return bootstrap.assemble(settings, pool_size=2)


def chains(house: Runtime, named: str) -> list[ServedChain]:
    """The chain people name, or every chain of the house. Raises ``InvalidInput``."""
    return [house.chosen(named)] if named else list(house.chains.values())


@contextmanager
def reading() -> Iterator[tuple[Session, Runtime]]:
    """A session of one moment; nothing can be written by it."""
    from custody.reconciliation.books import still

    house = runtime()
    with still(house.database) as session:
        yield session, house
