"""Money as it stands: a client's balances with their holds and pledges, and whether chain and books agree."""

from __future__ import annotations

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from custody.api.call import AsReader
from custody.evidence import fields
from custody.kernel.clock import rfc3339
from custody.reconciliation.books import still
from custody.views.holdings import balances, pledges
from custody.views.reconciled import reconciliation

router = APIRouter(prefix="/v1")


@router.get("/clients/{client}/balances")
def of_client(call: AsReader, client: str) -> Response:
    """Total, available, held, pledged and receivable of each asset, with each hold and pledge, out of one snapshot."""
    name = fields.name(client, field="client")
    now = call.unit(lambda unit: unit.now)
    with still(call.runtime.database) as session:
        found = balances(session, client=name)
    return JSONResponse({"client": name, "as_of": rfc3339(now), "balances": found})


@router.get("/pledges")
def pledged(call: AsReader, client: str | None = None) -> Response:
    """What is pledged; of one client where asked. Making and releasing pledges is not served yet."""
    whose = None if client is None else fields.name(client, field="client")
    return JSONResponse({"pledges": call.unit(lambda unit: pledges(unit.session, client=whose))})


@router.get("/reconciliation")
def reconciled(call: AsReader) -> Response:
    """Of each chain the newest comparison of chain, index and books, and the breaks that are open."""
    chains = list(call.runtime.chains)
    found = call.unit(lambda unit: reconciliation(unit.session, chains=chains, now=unit.now))
    return JSONResponse(found)
