"""Deposit addresses: the list of them, the next one, and many at once."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from custody.addresses import queries
from custody.addresses.model import DepositAddress
from custody.api.body import Body, json_object
from custody.api.call import AsReader, AsRequesterOrOperator
from custody.api.filing import filed
from custody.api.giving import give_address, vault_on
from custody.api.idempotency import Key, expect_key
from custody.api.paging import After, Limit, page
from custody.clients import queries as clients
from custody.db import Unit
from custody.evidence import fields
from custody.jobs import operations as jobs
from custody.jobs.model import MOST_ADDRESSES, AddressesAsked
from custody.restore.queries import require_normal
from custody.vaults import queries as vaults
from custody.views import cursors
from custody.views.objects import address_view

router = APIRouter(prefix="/v1/clients/{client}/addresses")


@router.get("")
def every(call: AsReader, request: Request, client: str, after: After = None, limit: Limit = None) -> Response:
    """Every address the client was given, oldest first, a page at a time."""
    name = fields.name(client, field="client")
    most, begin = cursors.limit(limit), cursors.read(after, "addresses")
    behind = cursors.number(begin[0]) if begin else 0

    def work(unit: Unit) -> tuple[list[DepositAddress], dict[str, str]]:
        clients.get(unit.session, client=name)
        chains = {vault.id: vault.chain for vault in vaults.of_client(unit.session, client=name)}
        key = call.runtime.seal_key
        return queries.page(unit.session, client=name, seal_key=key, after=behind, limit=most + 1), chains

    rows, chains = call.unit(work)
    shown = [address_view(row, chains[row.vault]) for row in rows[:most]]
    return JSONResponse(page(request, "addresses", rows, limit=most, key=lambda row: (str(row.id),), shown=shown))


@router.post("")
def new(call: AsRequesterOrOperator, client: str, chain: str | None = None) -> Response:
    """Hand the client its next deposit address on a chain: 201; 503 while the stock is being filled.

    ``chain`` is a short name or CAIP-2 id; it may be left out for a client who is on one chain alone.
    """
    name = fields.name(client, field="client")
    address, on = call.unit(lambda unit: give_address(unit, call, client=name, chain=chain))
    return JSONResponse(address_view(address, on), status_code=201)


@router.post("/bulk")
def many(call: AsRequesterOrOperator, client: str, body: Body, key: Key = None) -> Response:
    """Ask for many addresses at once: 202, and where to see how far it is; 200 if asked before under this key."""
    name, asked_under = fields.name(client, field="client"), expect_key(key)
    found = json_object(body, "chain", "count")
    count = fields.whole_number(found["count"], field="count", low=1, high=MOST_ADDRESSES)
    chain = None if found["chain"] is None else fields.text(found["chain"], field="chain")

    def work(unit: Unit) -> jobs.Filed:
        require_normal(unit.session)
        vault = vault_on(unit, call, client=name, chain=chain)
        return jobs.ask_for_addresses(
            unit.session,
            asked=AddressesAsked(name, vault.id, count),
            requester=call.caller.name,
            idempotency_key=asked_under,
            correlation_id=call.request_id,
            now=unit.now,
        )

    return filed(call.unit(work))
