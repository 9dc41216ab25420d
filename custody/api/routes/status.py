"""Whether it is up, and what an exchange's own on-call asks first."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse

from custody.api.call import AsReader
from custody.api.views import vault_view
from custody.audit import queries as audit
from custody.bootstrap import Runtime
from custody.kernel.clock import rfc3339
from custody.kernel.errors import CustodyError
from custody.ledger import queries as ledger
from custody.movements import queries as movements
from custody.vaults import queries as vaults

router = APIRouter()


@router.get("/healthz")
def health(request: Request) -> Response:
    """200 while Postgres answers, 503 otherwise. Needs no token and tells nothing."""
    runtime: Runtime = request.app.state.runtime
    with runtime.database.unit() as unit:
        unit.session.execute(text("SELECT 1"))
    return JSONResponse({"status": "ok"})


@router.get("/v1/status")
def status(call: AsReader) -> Response:
    """The node's tip, how far it was read, and whether the books balance. Answers also while the node is silent."""
    chain = call.runtime.only.chain
    read = call.unit(lambda unit: {"now": rfc3339(unit.now), **_read(unit.session, chain)})
    return JSONResponse({"chain": chain, "node": _node(call.runtime), **read})


def _node(runtime: Runtime) -> dict[str, Any]:
    try:
        found = runtime.only.node.status()
    except CustodyError as error:
        return {"ready": False, "height": None, "why": error.message}
    ready = found.synced and found.genesis_ok
    return {"ready": ready, "height": found.height, "hash": found.hash, "headers": found.headers}


def _read(session: Session, chain: str) -> dict[str, Any]:
    tip = movements.tip(session, chain=chain)
    head = audit.head(session)
    return {
        "scanned": None if tip is None else {"height": tip.height, "hash": tip.hash},
        "books": {"balanced": _is_balanced(session), "vaults": [vault_view(vault) for vault in vaults.every(session)]},
        "audit_head": {"sequence": head.sequence, "hash": head.hash},
    }


def _is_balanced(session: Session) -> bool:
    sums: dict[str, int] = {}
    for line in ledger.trial_balance(session):
        sums[line.asset] = sums.get(line.asset, 0) + line.debit - line.credit
    return not any(sums.values())
