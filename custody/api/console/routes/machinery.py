"""What is stuck, health, and the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import Response, StreamingResponse

from custody.api.console.answers import html, to_sign_in
from custody.api.console.door import AsGuest, AsVisitor
from custody.api.console.pages import machinery as pages
from custody.api.console.reading import ROWS, network_names, snapshot
from custody.telemetry.ready import Ready
from custody.views import auditing, health, stuck

router = APIRouter(prefix="/console")


@router.get("/stuck")
def show_stuck(visit: AsGuest) -> Response:
    """What is past its deadline."""
    if visit is None:
        return to_sign_in()
    deadlines = visit.call.runtime.deadlines
    shown = snapshot(visit, lambda session: stuck.stuck(session, deadlines=deadlines, now=visit.at, limit=ROWS))
    return html(pages.stuck(visit, shown))


@router.get("/health")
def show_health(visit: AsGuest, request: Request) -> Response:
    """A line for each thing the house leans on, what this process reaches now, and what runs."""
    if visit is None:
        return to_sign_in()
    names, deadlines = network_names(visit), visit.call.runtime.deadlines

    def work(session: Session) -> tuple[dict[str, Any], dict[str, str]]:
        lines = health.health(session, names=names, deadlines=deadlines, now=visit.at)
        return lines, health.versions(session)

    # Nodes and the broker are asked outside the snapshot: who is slow to answer holds no connection.
    asked: Ready = request.app.state.ready
    reached = asked.look()
    shown, versions = snapshot(visit, work)
    return html(pages.health(visit, shown, versions, reached.parts))


@router.get("/audit")
def show_audit(visit: AsGuest, by: str = "", wanted: str = "", after: str | None = None) -> Response:
    """A page of the log, of everything or of one actor, event or subject."""
    if visit is None:
        return to_sign_in()
    shown = snapshot(
        visit, lambda session: auditing.log(session, by=by, wanted=wanted.strip(), after=after, limit=ROWS)
    )
    return html(pages.audit(visit, shown, by=by, wanted=wanted.strip(), after=after))


@router.post("/audit/verify")
def verify_audit(visit: AsVisitor) -> Response:
    """Walk the whole chain and show what was found; nothing is written."""
    proof = snapshot(visit, auditing.verified)
    shown = snapshot(visit, lambda session: auditing.log(session, limit=ROWS))
    return html(pages.audit(visit, shown, by="", wanted="", after=None, proof=proof))


@router.get("/audit/export")
def export_audit(visit: AsGuest) -> Response:
    """All of the log, oldest first, a JSON object a line."""
    if visit is None:
        return to_sign_in()

    def lines() -> Iterator[bytes]:
        # Piece by piece: who reads slowly, or not at all, holds no connection of the house's meanwhile.
        behind = 0
        while piece := snapshot(visit, partial(auditing.exported, behind=behind)):
            behind = piece[-1][0]
            yield b"".join(line for _, line in piece)

    headers = {"Content-Disposition": 'attachment; filename="custody-audit.jsonl"'}
    return StreamingResponse(lines(), media_type="application/x-ndjson", headers=headers)
