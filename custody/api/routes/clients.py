"""Clients: the keysets they can be opened on, opening them, their money, their addresses, their deposits."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse

from custody.addresses import operations as addresses
from custody.addresses import queries as address_queries
from custody.addresses.model import DepositAddress
from custody.api.body import Body, json_object
from custody.api.call import AsReader, AsRequester, AsRequesterOrOperator, Call
from custody.clients import queries
from custody.db import Unit
from custody.deposits import queries as deposits
from custody.evidence import fields
from custody.evidence.keysets import Keyset
from custody.evidence.requests import ClientOpeningRequest
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import TrustRoot
from custody.ledger import queries as ledger
from custody.openings import operations as openings
from custody.openings import queries as openings_of
from custody.restore.queries import require_normal
from custody.trust.assets import known_assets
from custody.trust.operations import InForce
from custody.vaults import queries as vaults
from custody.views import objects as views

router = APIRouter(prefix="/v1")


@router.get("/keysets")
def keysets(call: AsReader) -> Response:
    """The keysets of the trust root, each with the next branch nobody has or has asked for.

    Openings are taken for a chain's newest keyset alone.
    """
    found = call.trusting(lambda unit, trust: _keysets(unit.session, trust.root))
    return JSONResponse({"keysets": found})


@router.post("/clients")
def open_client(call: AsRequester, body: Body) -> Response:
    """Ask for a client to be opened: 201 opened, 202 when people must agree first, 200 if asked before."""
    found = json_object(body, "request", "signature")
    asked = ClientOpeningRequest.parse(found["request"])
    signature = Signature.parse(found["signature"], field="signature")

    def work(unit: Unit, trust: InForce) -> openings.Opening:
        return openings.request_opening(unit.session, request=asked, signature=signature, trust=trust, now=unit.now)

    opening = call.trusting(work)
    headers = {"Location": f"/v1/intents/{opening.digest}"}
    if opening.replayed:
        return JSONResponse(views.opening_view(opening), headers=headers | {"Idempotency-Replayed": "true"})
    return JSONResponse(
        views.opening_view(opening), status_code=201 if opening.state == "approved" else 202, headers=headers
    )


@router.get("/clients")
def every(call: AsReader) -> Response:
    """All clients the caller may see, oldest first."""
    found = call.unit(lambda unit: queries.every(unit.session))
    shown = [views.client_view(client) for client in found if call.caller.may_see(client.id)]
    return JSONResponse({"clients": shown})


@router.get("/clients/{client}")
def one(call: AsReader, client: str) -> Response:
    """One client with its balances, vault and addresses."""
    name = fields.name(client, field="client")
    return JSONResponse(call.unit(lambda unit: _whole_client(unit.session, call, name)))


@router.post("/clients/{client}/addresses")
def new_address(call: AsRequesterOrOperator, client: str, chain: str | None = None) -> Response:
    """Hand the client its next deposit address on a chain: 201; 503 while the stock is being filled.

    ``chain`` is a short name or CAIP-2 id; it may be left out for a client who is on one chain alone.
    """
    name = fields.name(client, field="client")
    address = call.unit(lambda unit: _allocate(unit, call, name, chain))
    return JSONResponse(views.address_view(address), status_code=201)


@router.get("/clients/{client}/deposits")
def client_deposits(call: AsReader, client: str) -> Response:
    """Every deposit to the client's addresses, oldest first."""
    name = fields.name(client, field="client")

    def work(unit: Unit) -> list[dict[str, Any]]:
        queries.get(unit.session, client=name)
        assets = known_assets(unit.session)
        return [views.deposit_view(item, assets) for item in deposits.of_client(unit.session, client=name)]

    return JSONResponse({"deposits": call.unit(work)})


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


def _allocate(unit: Unit, call: Call, client: str, chain: str | None) -> DepositAddress:
    require_normal(unit.session)
    queries.get(unit.session, client=client)
    on = {vault.chain for vault in vaults.of_client(unit.session, client=client)}
    served = call.runtime.chosen(chain or (on.pop() if len(on) == 1 else None))
    vault = vaults.vault_of(unit.session, client=client, chain=served.chain)
    return addresses.allocate(
        unit.session,
        vault=vault.id,
        client=client,
        seal_key=call.runtime.seal_key,
        low_mark=call.runtime.settings.stock_low_mark,
        actor=call.caller.name,
        now=unit.now,
    )


def _whole_client(session: Session, call: Call, name: str) -> dict[str, Any]:
    """``vault`` is the first chain's of those it is on; ``vaults`` are all of them."""
    client, assets = queries.get(session, client=name), known_assets(session)
    given = address_queries.of_client(session, client=name, seal_key=call.runtime.seal_key)
    found = [views.vault_view(vault) for vault in vaults.of_client(session, client=name)]
    return views.client_view(client) | {
        "vault": found[0] if found else None,
        "vaults": found,
        "balances": [views.balance_view(balance, assets) for balance in ledger.balances(session, client=name)],
        "addresses": [views.address_view(address) for address in given],
    }
