"""Reading runs and breaks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.reconciliation.tables import BreakRow, RunRow


@dataclass(frozen=True, slots=True)
class OpenBreak:
    """A break as stored; it is open until an approved intent lifts it."""

    id: str
    run: str
    vault: str
    asset: str
    check: str
    expected: int
    found: int
    detail: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """A run as stored."""

    id: str
    chain: str
    kind: str
    height: int
    hash: str
    result: str
    finished_at: datetime


def open_breaks(session: Session) -> list[OpenBreak]:
    """Every open break, oldest first."""
    rows = session.execute(select(BreakRow).order_by(BreakRow.opened_at, BreakRow.id)).scalars()
    return [
        OpenBreak(
            id=row.id,
            run=row.run_id,
            vault=row.vault_id,
            asset=row.asset,
            check=row.check_name,
            expected=row.expected,
            found=row.found,
            detail=row.detail,
            opened_at=row.opened_at,
        )
        for row in rows
    ]


def last_run(session: Session, *, chain: str) -> Run | None:
    """The newest run on ``chain``, or None."""
    row = session.execute(
        select(RunRow).where(RunRow.chain == chain).order_by(RunRow.finished_at.desc(), RunRow.id.desc()).limit(1)
    ).scalar_one_or_none()
    if row is None:
        return None
    return Run(row.id, row.chain, row.kind, row.height, row.hash, row.result, row.finished_at)
