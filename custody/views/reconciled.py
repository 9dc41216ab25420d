"""Where reconciliation stands: of each chain the newest run and how old it is, of each vault whether it is in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from custody.kernel.clock import rfc3339
from custody.reconciliation import queries


def reconciliation(session: Session, *, chains: Sequence[str], now: datetime) -> dict[str, Any]:
    """One line a chain, and the open breaks."""
    open_ones = queries.open_breaks(session)
    lines = []
    for chain in chains:
        run = queries.last_run(session, chain=chain)
        lines.append(
            {
                "chain": chain,
                "status": "never" if run is None else run.result,
                "run": None if run is None else run.id,
                "kind": None if run is None else run.kind,
                "height": None if run is None else run.height,
                "hash": None if run is None else run.hash,
                "finished_at": None if run is None else rfc3339(run.finished_at),
                "age_seconds": None if run is None else int((now - run.finished_at).total_seconds()),
            }
        )
    return {
        "status": "break" if open_ones else "balanced",
        "reason": f"{len(open_ones)} open breaks" if open_ones else None,
        "next_actor": "operators" if open_ones else "nobody",
        "chains": lines,
        "breaks": [each.to_json() for each in open_ones],
    }
