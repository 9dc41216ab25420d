"""What a unit collects while it runs and writes just before it commits: logs that are numbered in commit order.

A lock that all units share is then held for the length of one insert and not of the unit. Logs close by rank, the
lowest first, in every process alike: two units that write to several of them cannot wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

Item = TypeVar("Item")

_PENDING: Final = "closing_pending"
_MARKS: Final = "closing_marks"


class ClosingLog(Generic[Item]):
    """One log. ``write`` puts a unit's items down in their order; it is called once, with one item at least."""

    def __init__(self, name: str, *, rank: int, write: Callable[[Session, list[Item]], None]) -> None:
        self.name, self.rank, self.write = name, rank, write
        _LOGS[name] = self

    def collect(self, session: Session, item: Item) -> None:
        """Have ``item`` written when the unit commits; a savepoint that is rolled back takes its own along."""
        _pending(session).setdefault(self.name, []).append(item)


_LOGS: Final[dict[str, ClosingLog[Any]]] = {}


def _pending(session: Session) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = session.info.setdefault(_PENDING, {})
    return found


@event.listens_for(Session, "before_commit")
def _close(session: Session) -> None:
    if session.in_nested_transaction():
        return
    pending = session.info.pop(_PENDING, {})
    for log in sorted(_LOGS.values(), key=lambda each: each.rank):
        items = pending.get(log.name)
        if items:
            log.write(session, items)


@event.listens_for(Session, "after_transaction_create")
def _mark(session: Session, transaction: SessionTransaction) -> None:
    if transaction.nested:
        marks = session.info.setdefault(_MARKS, WeakKeyDictionary())
        marks[transaction] = {name: len(items) for name, items in _pending(session).items()}


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, previous: SessionTransaction) -> None:
    """What was collected inside a savepoint goes with it, what was collected before it stays."""
    before = session.info.get(_MARKS, {}).pop(previous, {})
    for name, items in _pending(session).items():
        del items[before.get(name, 0) :]
