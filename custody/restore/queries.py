"""Whether a restoration is under way, and the gate before everything that must wait for its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.kernel.errors import Unavailable
from custody.restore.tables import RestorationRow

GATED_TOPICS: Final = frozenset(
    {"addresses.restock", "jobs.advance", "withdrawals.broadcast", "withdrawals.compose", "withdrawals.replace"}
)
"""Outbox topics whose tasks call ``require_normal`` first. What follows the chain is not among them."""


class Restoring(Unavailable):
    """The database was restored and has not caught up with the chain: this waits until it has."""

    code = "restoring"


@dataclass(frozen=True, slots=True)
class Goal:
    """One series of one vault: every index up to ``last`` may have been shown since the backup."""

    vault: str
    kept_for: str
    change: bool
    last: int


@dataclass(frozen=True, slots=True)
class Restoration:
    """A restoration that is not over."""

    id: int
    reason: str
    noticed_at: datetime
    tips: Mapping[str, int]
    """Chain to the height that had been read in the backup."""
    goals: tuple[Goal, ...]
    watched_at: datetime | None
    """When every forgotten index was stored and the blocks since the backup were matched against them."""


def current(session: Session, *, lock: bool = False) -> Restoration | None:
    """The restoration under way, or None."""
    query = select(RestorationRow).where(RestorationRow.resumed_at.is_(None))
    row = session.execute(query.with_for_update() if lock else query).scalar_one_or_none()
    if row is None:
        return None
    goals = tuple(Goal(item["vault"], item.get("kept_for", ""), item["change"], item["last"]) for item in row.goals)
    return Restoration(row.id, row.reason, row.noticed_at, row.tips, goals, row.watched_at)


def require_normal(session: Session) -> None:
    """Raise ``Restoring`` while a restoration is under way: nothing is composed, sent or handed out."""
    found = current(session)
    if found is not None:
        raise Restoring(f"restoring since {found.noticed_at:%Y-%m-%d %H:%M:%S}Z: {found.reason}", field="database")
