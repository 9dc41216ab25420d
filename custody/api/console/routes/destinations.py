"""Clients' lists of destinations."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from custody.api.console.answers import html, to_sign_in
from custody.api.console.door import AsGuest
from custody.api.console.pages import destinations as pages
from custody.api.console.reading import ROWS
from custody.clients.queries import UnknownClient
from custody.db import Unit
from custody.views.destinations import destinations_view, held_view

router = APIRouter(prefix="/console/destinations")


@router.get("")
def show_destinations(visit: AsGuest, client: str = "", after: str | None = None) -> Response:
    """A page of one client's list, where one is named; what is held up, of every client."""
    if visit is None:
        return to_sign_in()
    name = client.strip()[:128]

    def work(unit: Unit) -> tuple[dict[str, Any] | None, list[dict[str, Any]], str]:
        held = held_view(unit.session)
        if not name:
            return None, held, ""
        try:
            found = destinations_view(unit.session, client=name, now=unit.now, after=after, limit=ROWS)
            return found, held, ""
        except UnknownClient:
            return None, held, "There is no client of that id."

    shown, held, problem = visit.call.unit(work)
    page = pages.destinations(visit, shown, held, client=name, problem=problem, after=after)
    return html(page, status=404 if problem else 200)
