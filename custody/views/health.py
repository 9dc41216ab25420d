"""Health: a line for each thing the house leans on, each asked for by itself, so that one that fails hides no other.

``ok``: as it should be. ``late``: past its threshold. ``down``: it does not work. ``unknown``: it could not be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from custody import __version__
from custody.db import schema
from custody.kernel.errors import CustodyError
from custody.reconciliation.stuck import Deadlines
from custody.trust.operations import in_force
from custody.views import dependencies as read
from custody.views.dependencies import Line

log = structlog.get_logger("custody.views.health")

_UNREADABLE: Final = (SQLAlchemyError, CustodyError, KeyError, ValueError)
Reading = Callable[[Session, datetime], Line]


def health(
    session: Session, *, names: Mapping[str, str], deadlines: Mapping[str, Deadlines], now: datetime
) -> dict[str, Any]:
    """Every line. ``names`` are the chains' short names by their ids, ``deadlines`` theirs."""
    patience = timedelta(seconds=min(each.message for each in deadlines.values()))
    readings: dict[str, Reading] = {
        "database": read.database,
        "schema": read.written_for,
        "restoration": read.restored,
        "relay and broker": partial(read.relay, patience=patience),
        "workers": partial(read.workers, patience=patience),
        **{name: partial(read.tip, chain=chain, name=name, limits=deadlines[chain]) for chain, name in names.items()},
        "cosigners": read.cosigners,
        "status service": read.status_service,
        "payer of fees": read.payers,
        "reconciliation": partial(read.reconciled, names=names),
        "audit log": read.sealed,
        "pusher": partial(read.pusher, patience=patience),
        "webhooks": read.webhooks,
        "notices": partial(read.notices, patience=patience),
    }
    lines = _together(session, readings, now) or [_alone(session, *each, now) for each in readings.items()]
    return {"lines": [each.to_json() for each in lines], "all_ok": all(each.state == "ok" for each in lines)}


def versions(session: Session) -> dict[str, str]:
    """What runs, and which rules it runs under. Raises ``NoTrustRoot``."""
    trust = in_force(session)
    return {
        "program": __version__,
        "schema": schema.of_database(session),
        "postgres": str(session.execute(text("SHOW server_version")).scalar_one()),
        "trust_root": str(trust.root.version),
        "policy": f"{trust.policy.name}, version {trust.policy.version}",
    }


def _together(session: Session, readings: Mapping[str, Reading], now: datetime) -> list[Line]:
    """Every line, as it is where all can be read; none otherwise."""
    try:
        with session.begin_nested():
            return [reading(session, now) for reading in readings.values()]
    except _UNREADABLE:
        return []


def _alone(session: Session, name: str, reading: Reading, now: datetime) -> Line:
    """A line, or that it could not be read: in a savepoint, so that the next one is not asked in vain."""
    try:
        with session.begin_nested():
            return reading(session, now)
    except _UNREADABLE as error:
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
