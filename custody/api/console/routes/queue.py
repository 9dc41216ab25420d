"""What waits for people, for keys and for the chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from custody.api.console.answers import html, to_sign_in
from custody.api.console.door import Visit, looking
from custody.api.console.pages import queue as pages
from custody.db import Unit
from custody.evidence import fields
from custody.views import queue as view

router = APIRouter(prefix="/console")

ROWS_ON_A_PAGE = 20


@router.get("")
def show_queue(request: Request, tab: str = "needs-me", client: str = "", kind: str = "", after: str = "") -> Response:
    """One tab of the queue, with its filters: all of it stands in the address."""

    def work(unit: Unit, visit: Visit, asked: view.Asked) -> tuple[pages.Chosen, view.Page, dict[str, dict[str, Any]]]:
        place = pages.TABS[fields.one_of(tab, tuple(pages.TABS), field="tab")][0]
        chosen = pages.Chosen(
            tab,
            fields.text(client, field="client", limit=100) if client else "",
            fields.text(kind, field="kind", limit=100) if kind else "",
            after,
        )
        asked = replace(asked, client=chosen.client, kind=chosen.kind)
        shown = view.queue(unit.session, asked, place=place, after=after or None, limit=ROWS_ON_A_PAGE)
        known = {} if chosen.client or chosen.kind else {view.NEEDS_ME: visit.needs_me}
        if not after and shown.next is None:
            known[place] = len(shown.rows)
        return chosen, shown, view.counts(unit.session, asked, known=known)

    looked = looking(request, work)
    if looked is None:
        return to_sign_in()
    visit, (chosen, shown, counts) = looked
    return html(pages.queue(visit, chosen, shown, counts))
