"""Clients: the keysets they can be opened on, opening them, and what is known of each."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse

from custody.addresses import queries as address_queries
from custody.api.body import Body, json_object
from custody.api.call import AsReader, AsRequester, Call
from custody.api.idempotency import REPLAYED, Key, expect_same
from custody.api.paging import After, Limit, page
from custody.clients import queries
from custody.db import Unit
from custody.evidence import fields
from custody.evidence.keysets import Keyset
from custody.evidence.requests import ClientOpeningRequest
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import TrustRoot
from custody.ledger import queries as ledger
from custody.openings import operations as openings
from custody.openings import queries as openings_of
from custody.trust.assets import known_assets
from custody.trust.operations import InForce
from custody.vaults import queries as vaults
from custody.views import cursors
from custody.views import objects as views

router = APIRouter(prefix="/v1")

ADDRESSES: Final = 200
"""Of a client's page; the others are in its list of addresses."""


@router.get("/keysets")
def keysets(call: AsReader) -> Response:
    """The keysets of the trust root, each with the next branch nobody has or has asked for.

    Openings are taken for a chain's newest keyset alone.
    """
    found = call.trusting(lambda unit, trust: _keysets(unit.session, trust.root))
    return JSONResponse({"keysets": found})


@router.post("/clients")
def open_client(call: AsRequester, body: Body, key: Key = None) -> Response:
    """Ask for a client to be opened: 201 opened, 202 when people must agree first, 200 if asked before."""
    found = json_object(body, "request", "signature")
    asked = ClientOpeningRequest.parse(found["request"])
    signature = Signature.parse(found["signature"], field="signature")
    expect_same(key, asked.idempotency_key)

    def work(unit: Unit, trust: InForce) -> openings.Opening:
        return openings.request_opening(unit.session, request=asked, signature=signature, trust=trust, now=unit.now)

    opening = call.trusting(work)
    headers = {"Location": f"/v1/intents/{opening.digest}"}
    if opening.replayed:
        return JSONResponse(views.opening_view(opening), headers=headers | REPLAYED)
    return JSONResponse(
        views.opening_view(opening), status_code=201 if opening.state == "approved" else 202, headers=headers
    )


@router.get("/clients")
def every(call: AsReader, request: Request, after: After = None, limit: Limit = None) -> Response:
    """Clients the caller may see, by their ids, a page at a time."""
    most, begin = cursors.limit(limit), cursors.read(after, "clients")
    behind, among = begin[0] if begin else "", call.caller.clients
    rows = call.unit(lambda unit: queries.page(unit.session, after=behind, limit=most + 1, among=among))
    shown = [views.client_view(client) for client in rows[:most]]
    return JSONResponse(page(request, "clients", rows, limit=most, key=lambda row: (row.id,), shown=shown))


@router.get("/clients/{client}")
def one(call: AsReader, client: str) -> Response:
    """One client with its balances, its vaults, and its first addresses."""
    name = fields.name(client, field="client")
    return JSONResponse(call.unit(lambda unit: _whole_client(unit.session, call, name)))


def _keysets(session: Session, root: TrustRoot) -> list[dict[str, Any]]:
    return [_keyset(session, keyset, root.newest_keyset(keyset.chain)) for keyset in root.keysets]


def _keyset(session: Session, keyset: Keyset, newest: Keyset | None) -> dict[str, Any]:
    return {
        "id": keyset.id,
        "chain": keyset.chain,
        "is_newest": keyset == newest,
        "threshold": keyset.threshold,
        "cosigners": [cosigner.id for cosigner in keyset.cosigners],
        "next_branch": openings_of.next_branch(session, keyset=keyset.id),
        "pools": openings_of.pools(session, keyset=keyset.id),
    }


def _whole_client(session: Session, call: Call, name: str) -> dict[str, Any]:
    """``vault`` is the first chain's of those it is on; ``vaults`` are all of them."""
    client, assets = queries.get(session, client=name), known_assets(session)
    given = address_queries.page(session, client=name, seal_key=call.runtime.seal_key, limit=ADDRESSES)
    held = vaults.of_client(session, client=name)
    chains = {vault.id: vault.chain for vault in held}
    found = [views.vault_view(vault) for vault in held]
    return views.client_view(client) | {
        "vault": found[0] if found else None,
        "vaults": found,
        "balances": [views.balance_view(balance, assets) for balance in ledger.balances(session, client=name)],
        "addresses": [views.address_view(address, chains[address.vault]) for address in given],
    }
