"""A client's addresses, one of them, and giving out the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from custody.api.body import Body
from custody.api.console import drawings
from custody.api.console.answers import form_fields, html, to_sign_in
from custody.api.console.door import AsGuest, AsVisitor, Visit
from custody.api.console.pages import addresses as pages
from custody.api.console.reading import ROWS, snapshot
from custody.api.console.stepping import put_step, take_answer
from custody.api.giving import give_address, vault_on
from custody.clients import queries as clients
from custody.db import Unit
from custody.evidence import fields
from custody.kernel.errors import NotFound
from custody.trust.operations import InForce
from custody.views import addresses

router = APIRouter(prefix="/console")

ABOUT: Final = "address"


@router.get("/clients/{client}/addresses")
def show_addresses(visit: AsGuest, client: str, after: str | None = None) -> Response:
    """Every address the client was given, a page at a time."""
    name = fields.name(client, field="client")
    if visit is None:
        return to_sign_in()
    key = visit.call.runtime.seal_key
    shown = snapshot(
        visit, lambda session: addresses.address_list(session, client=name, seal_key=key, after=after, limit=ROWS)
    )
    return html(pages.address_list(visit, shown, after=after))


@router.post("/clients/{client}/addresses")
def ask_for_step(visit: AsVisitor, client: str, body: Body) -> Response:
    """Say what giving out another address does, and ask the passkey for it."""
    name = fields.name(client, field="client")
    chain = form_fields(body, "chain")["chain"]

    def work(unit: Unit, trust: InForce) -> str:
        vault = vault_on(unit, visit.call, client=name, chain=chain or None)
        whose = clients.get(unit.session, client=name)
        change = {"client": whose.id, "chain": vault.chain}
        asked = put_step(unit, trust, visit, about=ABOUT, change=change, send=f"{pages.ADDRESSES}/answers")
        network = visit.call.runtime.chains[vault.chain].name
        return pages.step(visit, {"id": whose.id, "name": whose.name}, network, asked)

    return html(visit.call.trusting(work))


@router.post("/addresses/answers")
def take_step(visit: AsVisitor, body: Body) -> Response:
    """Give out the address that a passkey agreed to: 201 and its page."""

    def carry_out(unit: Unit, _trust: InForce, change: Mapping[str, Any]) -> str:
        given, _ = give_address(unit, visit.call, client=change["client"], chain=change["chain"])
        return f"{pages.ADDRESSES}/{given.id}"

    return take_answer(visit, body, about=ABOUT, carry_out=carry_out)


@router.get("/addresses/{address}")
def show_address(visit: AsGuest, address: str) -> Response:
    """One address to be handed out; 404 for one that was given to nobody."""
    if visit is None:
        return to_sign_in()
    shown = _whole(visit, address)
    return html(pages.one_address(visit, shown), status=200 if shown["address"] else 409)


@router.get("/addresses/{address}/qr")
def download_code(visit: AsGuest, address: str) -> Response:
    """The QR code as a picture; 409 and its page for an address that is not to be handed out."""
    if visit is None:
        return to_sign_in()
    shown = _whole(visit, address)
    if not shown["address"]:
        return html(pages.one_address(visit, shown), status=409)
    headers = {"Content-Disposition": f'attachment; filename="address-{shown["id"]}.svg"'}
    picture = drawings.qr_file(pages.compact(shown["address"]), title=shown["address"])
    return Response(picture, media_type="image/svg+xml", headers=headers)


def _whole(visit: Visit, address: str) -> dict[str, Any]:
    if not (address.isascii() and address.isdecimal() and len(address) < 19):
        raise NotFound("no such address", field="address")
    key, number = visit.call.runtime.seal_key, int(address)
    return snapshot(visit, lambda session: addresses.whole_address(session, address=number, seal_key=key))
