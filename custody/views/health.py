"""Health: a line for each thing the house leans on, each asked for by itself, so that one that fails hides no other.

``ok``: as it should be. ``late``: past its threshold. ``down``: it does not work. ``unknown``: it could not be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from custody.audit import queries as audit
from custody.kernel.errors import CustodyError
from custody.movements import queries as movements
from custody.reconciliation import queries as reconciliation
from custody.reconciliation.stuck import Deadlines
from custody.views import lag
from custody.views.lag import COUNTED_TO
from custody.views.objects import when

log = structlog.get_logger("custody.views.health")


@dataclass(frozen=True, slots=True)
class Line:
    """One dependency: ``value`` against ``threshold``, both in words; ``money`` is what it means for the money."""

    name: str
    state: str
    value: str
    threshold: str
    since: datetime | None
    money: str
    runbook: str

    def to_json(self) -> dict[str, Any]:
        """As pages and commands show it."""
        return {
            "name": self.name,
            "state": self.state,
            "value": self.value,
            "threshold": self.threshold,
            "since": when(self.since),
            "money": self.money,
            "runbook": self.runbook,
        }


Reading = Callable[[Session, datetime], Line]

_FAILING_FOR: Final = timedelta(hours=1)
"""A receiver that restarts fails for minutes; one that has failed so long is somebody's to call."""
_NO_MONEY: Final = "Nothing is held up."


def health(
    session: Session, *, names: Mapping[str, str], deadlines: Mapping[str, Deadlines], now: datetime
) -> dict[str, Any]:
    """Every line. ``names`` are the chains' short names by their ids, ``deadlines`` theirs."""
    patience = timedelta(seconds=min(each.message for each in deadlines.values()))
    readings: dict[str, Reading] = {
        "database": _database,
        "relay and broker": partial(_relay, patience=patience),
        "workers": partial(_workers, patience=patience),
        **{name: partial(_tip, chain=chain, name=name, limits=deadlines[chain]) for chain, name in names.items()},
        "reconciliation": partial(_reconciled, names=names),
        "audit log": _sealed,
        "webhooks": _webhooks,
    }
    lines = [_read(session, name, reading, now) for name, reading in readings.items()]
    return {"lines": [each.to_json() for each in lines], "all_ok": all(each.state == "ok" for each in lines)}


def _read(session: Session, name: str, reading: Reading, now: datetime) -> Line:
    """A line, or that it could not be read: in a savepoint, so that the next one is not asked in vain."""
    try:
        with session.begin_nested():
            return reading(session, now)
    except (SQLAlchemyError, CustodyError, KeyError, ValueError) as error:
        log.warning("health_unread", line=name, kind=type(error).__name__)
        return Line(
            name,
            "unknown",
            f"could not be read ({type(error).__name__})",
            "to be read",
            None,
            "This says nothing about the money: only that nobody can tell.",
            "README.md",
        )


def _database(session: Session, now: datetime) -> Line:
    replica = session.execute(text("SELECT pg_is_in_recovery()")).scalar_one()
    value = "answers, and takes nothing: it is a copy" if replica else "answers"
    money = "Nothing can be asked for, approved or sent." if replica else _NO_MONEY
    return Line(
        "database", "down" if replica else "ok", value, "answers", now if replica else None, money, "restore.md"
    )


def _relay(session: Session, now: datetime, patience: timedelta) -> Line:
    found = lag.work(session, now=now)
    return _lag("relay and broker", found.unpublished_since, found.due, now, patience, "not published")


def _workers(session: Session, now: datetime, patience: timedelta) -> Line:
    found = lag.work(session, now=now)
    return _lag("workers", found.unhandled_since, found.due, now, patience, "published and not handled")


def _lag(name: str, oldest: datetime | None, number: int, now: datetime, patience: timedelta, what: str) -> Line:
    number_said = f"more than {_grouped(COUNTED_TO)}" if number >= COUNTED_TO else f"{number}"
    behind = timedelta(0) if oldest is None else now - oldest
    late = behind > patience
    value = (
        f"{number_said} due, none {what}" if oldest is None else f"{number_said} due, the oldest {what} {_s(behind)}"
    )
    money = "What is agreed to is not carried out until it runs again; nothing is lost." if late else _NO_MONEY
    return Line(name, "late" if late else "ok", value, f"at most {_s(patience)}", oldest, money, "stuck-withdrawal.md")


def _tip(session: Session, now: datetime, chain: str, name: str, limits: Deadlines) -> Line:
    found = {tip_chain: (height, at) for tip_chain, height, at in movements.tips(session)}
    patience = timedelta(seconds=limits.deposit)
    if chain not in found:
        return Line(
            name, "down", "no block was read yet", f"a block within {_s(patience)}", None, _UNSEEN, "node-down.md"
        )
    height, at = found[chain]
    late = now - at > patience
    value = f"block {_grouped(height)}, read {_s(now - at)} ago"
    money = _UNSEEN if late else _NO_MONEY
    return Line(name, "late" if late else "ok", value, f"a block within {_s(patience)}", at, money, "node-down.md")


_UNSEEN: Final = "Deposits are not seen and payments not confirmed until blocks are read again; nothing is lost."


def _reconciled(session: Session, now: datetime, names: Mapping[str, str]) -> Line:
    runs = {name: reconciliation.last_run(session, chain=chain) for chain, name in names.items()}
    broken = [name for name, run in runs.items() if run is not None and run.result == "break"]
    never = [name for name, run in runs.items() if run is None]
    oldest = min((run.finished_at for run in runs.values() if run is not None), default=None)
    threshold = "balanced on every chain"
    if broken:
        money = "The vaults that differ are stopped: nothing leaves them."
        return Line(
            "reconciliation", "down", f"a break on {', '.join(broken)}", threshold, oldest, money, "break-found.md"
        )
    if never:
        money = "Nobody has compared books and chain there yet."
        return Line(
            "reconciliation", "late", f"never run on {', '.join(never)}", threshold, None, money, "break-found.md"
        )
    value = "balanced" if oldest is None else f"balanced, the oldest run {_s(now - oldest)} ago"
    return Line("reconciliation", "ok", value, threshold, oldest, _NO_MONEY, "break-found.md")


def _webhooks(session: Session, now: datetime) -> Line:
    found = lag.pushed(session)
    number = f"{_grouped(COUNTED_TO)} or more" if found.waiting >= COUNTED_TO else f"{found.waiting}"
    failing = timedelta(0) if found.failing_since is None else now - found.failing_since
    late = failing > _FAILING_FOR or found.waiting >= COUNTED_TO
    value = f"{number} to deliver" + (f", an endpoint fails for {_s(failing)}" if found.failing_since else "")
    money = "No money waits for it; whoever listens learns late, and can read events by their cursor."
    threshold = f"under {_grouped(COUNTED_TO)}, none failing over {_s(_FAILING_FOR)}"
    return Line(
        *("webhooks", "late" if late else "ok", value, threshold, found.failing_since if late else None),
        *(money if late else _NO_MONEY, "daemon-down.md"),
    )


def _sealed(session: Session, _now: datetime) -> Line:
    head = audit.head(session)
    value = f"{_grouped(head.sequence)} records"
    return Line("audit log", "ok", value, "each linked to the one before it", None, _NO_MONEY, "restore.md")


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _s(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((172_800, "d"), (7_200, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds // {'d': 86_400, 'h': 3_600, 'min': 60}[unit]} {unit}"
    return f"{seconds} s"
