"""Words a shell completes: ids out of the database, which has 200 ms to tell them, or none."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Final

SECONDS: Final = 0.2
_MOST: Final = 50
_READ: Final = 1_000


def withdrawal_ids(incomplete: str) -> list[str]:
    """The newest withdrawals whose id begins with ``incomplete``."""

    def read(session: Any) -> list[str]:
        from custody.withdrawals import queries

        return [found.id for found in queries.every(session, client=None)]

    return _within(read, incomplete)


def client_ids(incomplete: str) -> list[str]:
    """Clients whose id begins with ``incomplete``."""

    def read(session: Any) -> list[str]:
        from custody.clients import queries

        return [found.id for found in queries.every(session)]

    return _within(read, incomplete)


def deposit_ids(incomplete: str) -> list[str]:
    """Deposits whose id begins with ``incomplete``."""

    def read(session: Any) -> list[str]:
        from custody.deposits import queries

        return [found.id for found in queries.page(session, limit=_READ)]

    return _within(read, incomplete)


def vault_ids(incomplete: str) -> list[str]:
    """Vaults whose id begins with ``incomplete``."""

    def read(session: Any) -> list[str]:
        from custody.vaults import queries

        return [found.id for found in queries.every(session)]

    return _within(read, incomplete)


def _within(read: Callable[[Any], list[str]], incomplete: str) -> list[str]:
    """What ``read`` finds in time; nothing where it does not, or anything is wrong: a person waits at a key."""
    found: list[str] = []

    def look() -> None:
        try:
            from custody.cli import environment, house

            environment.prepare(os.environ.get("CUSTODY_ENV_FILE", ""))
            with house.reading() as (session, _):
                found.extend(read(session))
        except Exception:  # noqa: BLE001 - completion says nothing rather than something wrong
            return

    _load()
    asked = threading.Thread(target=look, daemon=True)
    asked.start()
    asked.join(SECONDS)
    return sorted(name for name in found if name.startswith(incomplete))[-_MOST:]


def _load() -> None:
    """What the reading needs, imported first: the time is the database's."""
    import custody.bootstrap
    import custody.clients.queries
    import custody.deposits.queries
    import custody.reconciliation.books
    import custody.vaults.queries
    import custody.withdrawals.queries  # noqa: F401
