"""What the house leans on, one reading each: it says how it stands in words, against its threshold in words.

A reading is a statement or two, whose cost no number of rows changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.audit import queries as audit
from custody.db import schema
from custody.movements import queries as movements
from custody.reconciliation import queries as reconciliation
from custody.reconciliation.stuck import Deadlines
from custody.views import lag
from custody.views.lag import COUNTED_TO
from custody.views.objects import when


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


# What was told and not yet taken over for delivery begins right behind the endpoint that is furthest behind.
_BEHIND: Final = text(
    """
    SELECT (SELECT max(sequence) FROM events) AS head, least.position,
      (SELECT at FROM events WHERE sequence = least.position + 1) AS since
    FROM (SELECT min(position) AS position FROM webhook_endpoints WHERE state = 'active') AS least
    """
)
_HANDLED: Final = text("SELECT max(done_at) FROM (SELECT done_at FROM outbox ORDER BY id DESC LIMIT 100) AS newest")
_SAID: Final = text("SELECT max(said_at) FROM status_statements")
_COSIGNERS: Final = text(
    """
    SELECT who.name, q.at AS quarantined_at,
      (SELECT max(d.given_at) FROM bundle_deliveries d WHERE d.cosigner = who.name) AS seen_at
    FROM (SELECT DISTINCT member ->> 'id' AS name FROM keysets k
          CROSS JOIN LATERAL jsonb_array_elements(k.document -> 'cosigners') AS member) AS who
    LEFT JOIN quarantined_cosigners q ON q.cosigner = who.name ORDER BY seen_at NULLS FIRST, who.name
    """
)
_PAYERS: Final = text("SELECT chain, low_since, stopped_at FROM payers ORDER BY chain, account")
_RESTORING: Final = text("SELECT min(noticed_at) FROM restorations WHERE resumed_at IS NULL")
_NOTICES: Final = text("SELECT min(due_at) FROM notice_messages WHERE state = 'waiting' AND due_at <= :now")
_FAILING_FOR: Final = timedelta(hours=1)
"""A receiver that restarts fails for minutes; one that has failed so long is somebody's to call."""
_SAYS_WITHIN: Final = timedelta(minutes=10)
"""A cosigner signs by no older word, unless its keyholder set another limit."""
_NO_MONEY: Final = "Nothing is held up."


def database(session: Session, now: datetime) -> Line:
    """Whether it takes what is written."""
    replica = session.execute(text("SELECT pg_is_in_recovery()")).scalar_one()
    value = "answers, and takes nothing: it is a copy" if replica else "answers"
    money = "Nothing can be asked for, approved or sent." if replica else _NO_MONEY
    return Line(
        "database", "down" if replica else "ok", value, "answers", now if replica else None, money, "restore.md"
    )


def relay(session: Session, now: datetime, patience: timedelta) -> Line:
    """Whether messages are published as they fall due."""
    found = lag.work(session, now=now)
    return _lag("relay and broker", found.unpublished_since, found.due, now, patience, "not published")


def workers(session: Session, now: datetime, patience: timedelta) -> Line:
    """Whether what is published is handled, and when anything was last."""
    found = lag.work(session, now=now)
    handled = session.execute(_HANDLED).scalar_one()
    last = "none was handled yet" if handled is None else f"the last was handled {_s(now - handled)} ago"
    line = _lag("workers", found.unhandled_since, found.due, now, patience, "published and not handled")
    return replace(line, value=f"{line.value}; {last}")


def _lag(name: str, oldest: datetime | None, number: int, now: datetime, patience: timedelta, what: str) -> Line:
    number_said = f"more than {_grouped(COUNTED_TO)}" if number >= COUNTED_TO else f"{number}"
    behind = timedelta(0) if oldest is None else now - oldest
    late = behind > patience
    value = f"{number_said} due, " + (f"none {what}" if oldest is None else f"the oldest {what} {_s(behind)}")
    money = "What is agreed to is not carried out until it runs again; nothing is lost." if late else _NO_MONEY
    return Line(name, "late" if late else "ok", value, f"at most {_s(patience)}", oldest, money, "stuck-withdrawal.md")


def tip(session: Session, now: datetime, chain: str, name: str, limits: Deadlines) -> Line:
    """Whether blocks of this chain are read."""
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


def reconciled(session: Session, now: datetime, names: Mapping[str, str]) -> Line:
    """What the last comparison of books and chain found on each chain."""
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


def webhooks(session: Session, now: datetime) -> Line:
    """Whether receivers take what is pushed to them."""
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


def pusher(session: Session, now: datetime, patience: timedelta) -> Line:
    """Whether events are taken over for delivery."""
    row = session.execute(_BEHIND).one()
    behind = 0 if row.position is None else max(0, (row.head or 0) - row.position)
    late = row.since is not None and now - row.since > patience
    value = "no endpoint is active" if row.position is None else f"{_grouped(behind)} events not taken over"
    if row.since is not None:
        value += f", the oldest {_s(now - row.since)} old"
    money = "No money waits for it; the feed of events has them all the same."
    return _told("pusher", late, value, f"at most {_s(patience)}", row.since, money, "daemon-down.md")


def notices(session: Session, now: datetime, patience: timedelta) -> Line:
    """Whether operators are told of what waits for them."""
    oldest = session.execute(_NOTICES, {"now": now}).scalar_one()
    late = oldest is not None and now - oldest > patience
    value = "none is due" if oldest is None else f"the oldest due for {_s(now - oldest)}"
    money = "What waits for people is in the queue; nobody is told of it by mail or webhook."
    return _told("notices", late, value, f"at most {_s(patience)}", oldest, money, "daemon-down.md")


def cosigners(session: Session, now: datetime) -> Line:
    """Whether each counts, and which one was not heard of for longest."""
    rows = session.execute(_COSIGNERS).all()
    out = [row for row in rows if row.quarantined_at is not None]
    value = f"{len(rows) - len(out)} of {len(rows)} count"
    if out:
        value += f", quarantined: {', '.join(row.name for row in out)}"
    elif rows:
        seen = rows[0].seen_at
        value += f"; {rows[0].name} fetched " + ("nothing yet" if seen is None else f"last {_s(now - seen)} ago")
    since = min((row.quarantined_at for row in out), default=None)
    money = "Payments need the others of its keysets; none is sent without its quorum."
    return _told("cosigners", bool(out), value, "none is quarantined", since, money, "cosigner-lost.md")


def status_service(session: Session, now: datetime) -> Line:
    """How old the status service's newest word is."""
    said_at = session.execute(_SAID).scalar_one()
    late = said_at is None or now - said_at > _SAYS_WITHIN
    value = "has said nothing yet" if said_at is None else f"last said {_s(now - said_at)} ago"
    money = "No cosigner signs without its word; what is held stays held."
    return _told("status service", late, value, f"at most {_s(_SAYS_WITHIN)}", said_at, money, "status-silent.md")


def payers(session: Session, now: datetime) -> Line:
    """Whether what pays the networks' fees has enough, and carries on."""
    del now
    rows = session.execute(_PAYERS).all()
    stopped = min((row.stopped_at for row in rows if row.stopped_at is not None), default=None)
    low = min((row.low_since for row in rows if row.low_since is not None), default=None)
    if stopped is not None:
        money = "What is signed there is not sent until people have looked."
        return Line("payer of fees", "down", "stopped", "carries on", stopped, money, "payer.md")
    value = "low" if low is not None else "has enough" if rows else "no network here needs one"
    money = "What is signed is not sent once it has nothing left."
    return _told("payer of fees", low is not None, value, "above its low mark", low, money, "payer.md")


def restored(session: Session, now: datetime) -> Line:
    """Whether a restored database still has to catch up with the chain."""
    del now
    since = session.execute(_RESTORING).scalar_one()
    if since is None:
        return Line("restoration", "ok", "none under way", "none under way", None, _NO_MONEY, "restore.md")
    money = "Nothing is sent and no address is given out until the chain was read again."
    return Line("restoration", "down", "catching up with the chain", "none under way", since, money, "restore.md")


def written_for(session: Session, now: datetime) -> Line:
    """Whether the database has the schema that this program was written for."""
    del now
    has, wants = schema.of_database(session), schema.newest()
    money = "Nothing can be asked for, approved or sent."
    if has == wants:
        return Line("schema", "ok", has, wants, None, _NO_MONEY, "daemon-down.md")
    return Line("schema", "down", has, wants, None, money, "daemon-down.md")


def _told(name: str, late: bool, value: str, threshold: str, since: datetime | None, money: str, runbook: str) -> Line:
    """``late`` or ``ok``; what it means for the money, and since when, is said where it is late."""
    state, meant = ("late", money) if late else ("ok", _NO_MONEY)
    return Line(name, state, value, threshold, since if late else None, meant, runbook)


def sealed(session: Session, _now: datetime) -> Line:
    """How long the log is; walking it is asked for on its own page."""
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
