"""What was asked for and decided in a period, one after the other: for replaying it under other rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from custody.approvals.tables import IntentRow
from policies.decision import Outcome
from policies.facts import Facts
from policies.obligations import Obligations
from policies.simulation import Replayed

ROWS_AT_ONCE: Final = 1_000
"""Rows the server's cursor hands over together: memory does not grow with the period."""

_ENDED: Final = frozenset({"rejected", "denied", "expired", "withdrawn"})
_KEPT: Final = ("facts", "outcome", "approvals", "delay_seconds", "roles", "screening", "reconciled_seconds")
"""Of a decision; its trace stays in the database."""


def decided(session: Session, *, since: datetime, until: datetime) -> Iterator[Replayed]:
    """Every intent asked for from ``since`` until before ``until``, oldest first, read through a cursor.

    Facts are those of its last decision, at the moment it was asked for.
    """
    kept = [IntentRow.decision[name].label(name) for name in _KEPT]
    query = select(IntentRow.digest, IntentRow.state, IntentRow.created_at, *kept)
    rows = session.execute(
        _in_period(query, since, until).order_by(IntentRow.created_at, IntentRow.digest),
        execution_options={"yield_per": ROWS_AT_ONCE},
    )
    return map(_replayed, rows.mappings())


def number_decided(session: Session, *, since: datetime, until: datetime) -> int:
    """How many ``decided`` yields."""
    query = _in_period(select(func.count()).select_from(IntentRow), since, until)
    found: int = session.execute(query).scalar_one()
    return found


def _in_period(query: Select[Any], since: datetime, until: datetime) -> Select[Any]:
    return query.where(IntentRow.created_at >= since, IntentRow.created_at < until)


def _replayed(row: Any) -> Replayed:
    return Replayed(
        reference=row["digest"],
        facts=replace(Facts.from_json(row["facts"]), now=row["created_at"]),
        released=row["state"] in _ENDED,
        outcome=Outcome(row["outcome"]),
        obligations=Obligations(
            approvals=row["approvals"] or {},
            delay_seconds=row["delay_seconds"] or 0,
            roles=tuple(row["roles"] or ()),
            screening=bool(row["screening"]),
            reconciled_seconds=row["reconciled_seconds"],
        ),
    )
