"""What waits for people, for keys and for the chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from custody.api.console.answers import html, to_sign_in
from custody.api.console.door import AsGuest, queue_of
from custody.api.console.pages import queue as pages
from custody.db import Unit
from custody.evidence import fields
from custody.trust.operations import InForce
from custody.views import queue as view

router = APIRouter(prefix="/console")

ROWS_ON_A_PAGE = 20


@router.get("")
def show_queue(visit: AsGuest, tab: str = "needs-me", client: str = "", kind: str = "", after: str = "") -> Response:
    """One tab of the queue, with its filters: all of it stands in the address."""
    if visit is None:
        return to_sign_in()
    place = pages.TABS[fields.one_of(tab, tuple(pages.TABS), field="tab")][0]
    chosen = pages.Chosen(
        tab,
        fields.text(client, field="client", limit=100) if client else "",
        fields.text(kind, field="kind", limit=100) if kind else "",
        after,
    )
    operator, runtime = visit.operator, visit.call.runtime

    def work(unit: Unit, trust: InForce) -> tuple[view.Page, dict[str, dict[str, Any]]]:
        asked = replace(queue_of(runtime, trust, operator, unit), client=chosen.client, kind=chosen.kind)
        shown = view.queue(unit.session, asked, place=place, after=after or None, limit=ROWS_ON_A_PAGE)
        known = {} if chosen.client or chosen.kind else {view.NEEDS_ME: visit.needs_me}
        if not after and shown.next is None:
            known[place] = len(shown.rows)
        return shown, view.counts(unit.session, asked, known=known)

    shown, counts = visit.call.trusting(work)
    return html(pages.queue(visit, chosen, shown, counts))
