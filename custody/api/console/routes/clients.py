"""Clients, and one of them."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from custody.api.console.answers import html, to_sign_in
from custody.api.console.door import AsGuest
from custody.api.console.pages import clients as pages
from custody.api.console.reading import ROWS, network_names, snapshot
from custody.evidence import fields
from custody.views import clients

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
    shown = snapshot(visit, lambda session: clients.whole_client(session, client=name, seal_key=key))
    return html(pages.one_client(visit, shown, network_names(visit)))
