"""Reading runs and breaks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from custody.kernel.clock import rfc3339
from custody.kernel.errors import NotFound
from custody.reconciliation.model import Break
from custody.reconciliation.tables import BreakRow, ResolutionRow, RunRow


class UnknownBreak(NotFound):
    """No break of that id."""

    code = "unknown-break"


@dataclass(frozen=True, slots=True)
class StoredBreak:
    """A break as stored; it is open until an approved intent resolves it."""

    id: str
    run: str
    said: Break
    opened_at: datetime
    resolution: str | None = None
    """``explained`` or ``corrected``; None while it is open."""
    resolved_by: str | None = None
    """The intent that resolved it."""

    @property
    def is_open(self) -> bool:
        """Whether nobody resolved it."""
        return self.resolution is None

    def to_json(self) -> dict[str, Any]:
        """As commands print it."""
        return {
            "id": self.id,
            **self.said.to_json(),
            "opened_at": rfc3339(self.opened_at),
            "resolution": self.resolution,
            "resolved_by": self.resolved_by,
        }


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


def open_breaks(session: Session, *, vault: str | None = None) -> list[StoredBreak]:
    """Every open break, oldest first; of one vault, where named."""
    return _breaks(session, ResolutionRow.break_id.is_(None), *_of(vault))


def every_break(session: Session, *, vault: str | None = None) -> list[StoredBreak]:
    """Every break there ever was, oldest first."""
    return _breaks(session, *_of(vault))


def get_break(session: Session, *, break_id: str) -> StoredBreak:
    """The break of that id. Raises ``UnknownBreak``."""
    found = _breaks(session, BreakRow.id == break_id)
    if not found:
        raise UnknownBreak("no such break", field="request.subject")
    return found[0]


def newest_like(session: Session, found: Break) -> StoredBreak | None:
    """The newest stored break that is the same difference as ``found``, resolved or not."""
    where = (BreakRow.vault_id == found.vault, BreakRow.asset == found.asset, BreakRow.check_name == found.check)
    like = [each for each in _breaks(session, *where) if each.said.is_like(found)]
    return like[-1] if like else None


def _of(vault: str | None) -> list[Any]:
    return [] if vault is None else [BreakRow.vault_id == vault]


def _breaks(session: Session, *conditions: Any) -> list[StoredBreak]:
    rows = session.execute(
        select(BreakRow, ResolutionRow.resolution, ResolutionRow.digest)
        .outerjoin(ResolutionRow, ResolutionRow.break_id == BreakRow.id)
        .where(*conditions)
        .order_by(BreakRow.opened_at, BreakRow.id)
    )
    return [
        StoredBreak(
            id=row.id,
            run=row.run_id,
            said=Break(row.vault_id, row.asset, row.check_name, row.expected, row.found, row.detail),
            opened_at=row.opened_at,
            resolution=resolution,
            resolved_by=digest,
        )
        for row, resolution, digest in rows
    ]


def last_run(session: Session, *, chain: str) -> Run | None:
    """The newest run on ``chain``, or None."""
    row = session.execute(
        select(RunRow).where(RunRow.chain == chain).order_by(RunRow.finished_at.desc(), RunRow.id.desc()).limit(1)
    ).scalar_one_or_none()
    if row is None:
        return None
    return Run(row.id, row.chain, row.kind, row.height, row.hash, row.result, row.finished_at)
