"""What an exchange's own on-call asks first."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse

from custody.api.call import AsReader, Call
from custody.audit import queries as audit
from custody.bootstrap import ServedChain
from custody.db import Unit
from custody.deposits import queries as deposits
from custody.kernel.clock import rfc3339
from custody.kernel.errors import CustodyError
from custody.ledger import queries as ledger
from custody.movements import queries as movements
from custody.trust.assets import assets_of
from custody.vaults import queries as vaults
from custody.views.lag import lag_view
from custody.views.objects import asset_view, vault_view, when

router = APIRouter()


@router.get("/v1/status")
def status(call: AsReader) -> Response:
    """Each node's tip, how far it was read, whether the books balance, and what is behind: work, events, webhooks.

    Answers also while a node is silent.

    ``chain``, ``node`` and ``scanned`` are the first chain's of ``chains``.
    """
    chains = [_chain(call, served) for served in call.runtime.chains.values()]
    read = call.unit(lambda unit: {"now": rfc3339(unit.now), **_read(unit)})
    first = {name: chains[0][name] for name in ("chain", "node", "scanned")}
    return JSONResponse(first | {"chains": chains} | read)


@router.get("/v1/assets")
def assets(call: AsReader) -> Response:
    """What can be kept here: each chain's own asset, and what the trust root registers beside it."""
    found = call.unit(
        lambda unit: [asset for chain in call.runtime.chains for asset in assets_of(unit.session, chain=chain)]
    )
    return JSONResponse({"assets": [asset_view(asset) for asset in found]})


def _chain(call: Call, served: ServedChain) -> dict[str, Any]:
    tip, tips = call.unit(lambda unit: (movements.tip(unit.session, chain=served.chain), movements.tips(unit.session)))
    read_at = next((at for chain, _, at in tips if chain == served.chain), None)
    return {
        "chain": served.chain,
        "name": served.name,
        "node": _node(served),
        "scanned": None if tip is None else {"height": tip.height, "hash": tip.hash, "read_at": when(read_at)},
    }


def _node(served: ServedChain) -> dict[str, Any]:
    try:
        found = served.node.status()
    except CustodyError as error:
        return {"ready": False, "height": None, "why": error.message}
    ready = found.synced and found.genesis_ok
    return {"ready": ready, "height": found.height, "hash": found.hash, "headers": found.headers}


def _read(unit: Unit) -> dict[str, Any]:
    session = unit.session
    head = audit.head(session)
    return {
        "books": {"balanced": _is_balanced(session), "vaults": [vault_view(vault) for vault in vaults.every(session)]},
        "strays": [item.to_json() for item in movements.strays(session)],
        "suspended_assets": deposits.suspended(session),
        "behind": lag_view(session, now=unit.now),
        "audit_head": {"sequence": head.sequence, "hash": head.hash},
    }


def _is_balanced(session: Session) -> bool:
    sums: dict[str, int] = {}
    for line in ledger.trial_balance(session):
        sums[line.asset] = sums.get(line.asset, 0) + line.debit - line.credit
    return not any(sums.values())
