"""What waits for people."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from custody.api.console.answers import html, to_sign_in
from custody.api.console.door import AsGuest
from custody.api.console.pages import queue as pages
from custody.approvals import queries
from custody.db import Unit
from custody.trust.operations import InForce
from custody.views.standing import whole_intents

router = APIRouter(prefix="/console")


@router.get("")
def show_queue(visit: AsGuest) -> Response:
    """What waits for people."""
    if visit is None:
        return to_sign_in()

    def work(unit: Unit, trust: InForce) -> list[dict[str, Any]]:
        found = [*queries.waiting(unit.session), *queries.vetoable(unit.session, now=unit.now)]
        return whole_intents(unit.session, found, trust=trust, now=unit.now)

    return html(pages.queue(visit, visit.call.trusting(work)))
