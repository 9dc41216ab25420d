"""Whether this process can do its work: the database, its schema, the broker, each chain.

Without the database or with another schema nothing can be asked of it. With a broker or a node away it still takes
requests, verdicts and freezes, which are rows; so it stays reachable then, and says what is impaired.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from custody.db import Database
from custody.db.schema import newest, of_database
from custody.kernel.errors import CustodyError
from custody.movements.queries import tip
from custody.telemetry import broker
from custody.telemetry.nodes import Nodes

FRESH_SECONDS: Final = 2
LAG_BLOCKS: Final = 6
"""So far behind its node a chain may be read."""
NEEDED: Final = frozenset({"database", "schema"})


@dataclass(frozen=True, slots=True)
class Readiness:
    """``parts``: each part and ``ok``, ``late`` or ``down``; a chain goes by its short name."""

    parts: Mapping[str, str]

    @property
    def is_whole(self) -> bool:
        """Whether every part is well."""
        return set(self.parts.values()) == {"ok"}

    @property
    def can_serve(self) -> bool:
        """Whether what is asked of this process can be written down."""
        return all(self.parts.get(name) == "ok" for name in NEEDED)

    @property
    def word(self) -> str:
        """``ready``, ``impaired`` or ``down``."""
        return "ready" if self.is_whole else "impaired" if self.can_serve else "down"


class Ready:
    """Looks at every part, at most once in ``FRESH_SECONDS``: anybody may ask, and holds nobody up by asking."""

    def __init__(self, database: Database, nodes: Nodes, *, names: Mapping[str, str], broker_url: str) -> None:
        self._database = database
        self._nodes = nodes
        self._names = names
        self._broker_url = broker_url
        self._lock = threading.Lock()
        self._looked_at: float | None = None
        self._found = Readiness({})

    def look(self) -> Readiness:
        """How every part stands. Raises nothing.

        A part that is silent takes seconds to look at. Whoever asks meanwhile is told what was found before: a thread
        that waits is one that answers nobody else.
        """
        if not self._lock.acquire(blocking=self._looked_at is None):
            return self._found
        try:
            if self._looked_at is None or time.monotonic() - self._looked_at > FRESH_SECONDS:
                self._found = Readiness(self._parts())
                self._looked_at = time.monotonic()
            return self._found
        finally:
            self._lock.release()

    def _parts(self) -> dict[str, str]:
        standings = self._nodes.standings()
        reached = "ok" if broker.answers(self._broker_url) else "down"
        try:
            with self._database.unit() as unit:
                schema = "ok" if of_database(unit.session) == newest() else "down"
                read = {chain: tip(unit.session, chain=chain) for chain in self._names}
        except (CustodyError, SQLAlchemyError):
            return {
                "database": "down",
                "schema": "down",
                "broker": reached,
                **dict.fromkeys(self._names.values(), "down"),
            }
        parts = {"database": "ok", "schema": schema, "broker": reached}
        for chain, name in self._names.items():
            height, newest_read = standings[chain].height, read[chain]
            behind = height is not None and (newest_read is None or height - newest_read.height > LAG_BLOCKS)
            parts[name] = "down" if height is None else "late" if behind else "ok"
        return parts
