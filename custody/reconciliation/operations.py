"""Writing a run down. A break stops its vault in the same unit (I20)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from custody.audit import operations as audit
from custody.events import operations as events
from custody.kernel.clock import rfc3339
from custody.kernel.ids import new_id
from custody.reconciliation import queries
from custody.reconciliation.model import Break, RunResult, Snapshot, lines, sums
from custody.reconciliation.tables import BreakRow, RunRow
from custody.vaults import operations as vaults


def record_run(
    session: Session,
    *,
    kind: str,
    snapshots: tuple[Snapshot, ...],
    breaks: tuple[Break, ...],
    actor: str,
    started_at: datetime,
    now: datetime,
) -> RunResult:
    """Store the run and its breaks, freeze every vault that has one, and note the others as reconciled.

    ``snapshots`` are of one block: one for each asset, one at least. A difference that people explained, and that is
    the same still, is known: it is no break of the run.
    """
    known = tuple(found for found in breaks if is_known(session, found))
    unknown = tuple(found for found in breaks if found not in known)
    run = RunResult(new_id("rec", now), kind, snapshots, unknown, started_at, now, known)
    result = "balanced" if run.is_balanced else "break"
    first = snapshots[0]
    session.add(
        RunRow(
            id=run.id,
            chain=first.chain,
            kind=kind,
            height=first.height,
            hash=first.hash,
            result=result,
            totals={"assets": [{"asset": item.asset, "vaults": lines(item)} for item in snapshots]},
            sums=[sums(item) for item in snapshots],
            started_at=started_at,
            finished_at=now,
        )
    )
    session.flush()
    for found in unknown:
        _open_break(session, run, found, actor, now)
    _note_balanced(session, run, now)
    facts = {"kind": kind, "height": first.height, "hash": first.hash, "breaks": len(unknown), "known": len(known)}
    audit.record(session, event=f"reconciliation.{result}", subject=run.id, actor=actor, now=now, facts=facts)
    data = {"id": run.id, "chain": first.chain, "result": result, "finished_at": rfc3339(now)} | facts
    tell(session, kind="reconciliation_run", subject=run.id, event=result, data=data, actor=actor, now=now)
    return run


def tell(
    session: Session, *, kind: str, subject: str, event: str, data: dict[str, Any], actor: str, now: datetime
) -> None:
    """Tell the house of a run or a break; clients hear of what it stops."""
    events.publish(
        session,
        kind=kind,
        subject=subject,
        event=event,
        data=data,
        client=None,
        actor=actor,
        correlation_id="",
        now=now,
    )


def is_known(session: Session, found: Break) -> bool:
    """Whether people explained this very difference, and nothing of the kind was found since."""
    before = queries.newest_like(session, found)
    return before is not None and before.resolution == "explained"


def _open_break(session: Session, run: RunResult, found: Break, actor: str, now: datetime) -> None:
    # The vault's row is the lock under which the same break is written once.
    vaults.freeze_vault(session, vault=found.vault, reason="break", actor=actor, now=now)
    before = queries.newest_like(session, found)
    if before is not None and before.is_open:
        return
    new = new_id("brk", now)
    session.add(
        BreakRow(
            id=new,
            run_id=run.id,
            vault_id=found.vault,
            asset=found.asset,
            check_name=found.check,
            expected=found.expected,
            found=found.found,
            detail=found.detail,
            opened_at=now,
        )
    )
    session.flush()
    why = f"{found.check}: expected {found.expected}, found {found.found}: {found.detail}"
    audit.raise_alarm(session, kind="reconciliation-break", subject=found.vault, step=new, why=why, now=now)
    data = queries.get_break(session, break_id=new).to_json()
    tell(session, kind="break", subject=new, event="opened", data=data, actor=actor, now=now)


def _note_balanced(session: Session, run: RunResult, now: datetime) -> None:
    broken = {found.vault for found in run.breaks}
    for vault in run.snapshots[0].vaults:
        if vault.vault not in broken:
            vaults.note_reconciled(session, vault=vault.vault, height=run.height, now=now)
