"""Clients, one client, one address."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from custody.api.console.answers import html, to_sign_in
from custody.api.console.door import AsGuest
from custody.api.console.pages import clients as pages
from custody.api.console.reading import ROWS, snapshot
from custody.evidence import fields
from custody.kernel.errors import NotFound
from custody.views import addresses, clients

router = APIRouter(prefix="/console")


@router.get("/clients")
def show_clients(visit: AsGuest, search: str = "", after: str | None = None) -> Response:
    """A page of clients; ``search`` is how a name begins, or a whole id or address."""
    if visit is None:
        return to_sign_in()
    wanted = search.strip()
    shown = snapshot(visit, lambda session: clients.client_list(session, search=wanted, after=after, limit=ROWS))
    return html(pages.client_list(visit, shown, search=wanted, after=after))


@router.get("/clients/{client}")
def show_client(visit: AsGuest, client: str) -> Response:
    """One client."""
    name = fields.name(client, field="client")
    if visit is None:
        return to_sign_in()
    key = visit.call.runtime.seal_key
    return html(pages.one_client(visit, snapshot(visit, lambda s: clients.whole_client(s, client=name, seal_key=key))))


@router.get("/addresses/{address}")
def show_address(visit: AsGuest, address: str) -> Response:
    """One address to be handed out; 404 for one that was given to nobody."""
    if visit is None:
        return to_sign_in()
    if not (address.isascii() and address.isdecimal() and len(address) < 19):
        raise NotFound("no such address", field="address")
    key, number = visit.call.runtime.seal_key, int(address)
    shown = snapshot(visit, lambda session: addresses.whole_address(session, address=number, seal_key=key))
    return html(pages.one_address(visit, shown), status=200 if shown["address"] else 409)
