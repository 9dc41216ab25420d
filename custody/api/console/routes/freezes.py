"""What is frozen."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from custody.api.console.answers import html, to_sign_in
from custody.api.console.door import AsGuest
from custody.api.console.pages import freezes as pages
from custody.api.console.reading import ROWS
from custody.db import Unit
from custody.trust.operations import InForce
from custody.views.freezing import freezes_view

router = APIRouter(prefix="/console/freezes")


@router.get("")
def show_freezes(visit: AsGuest, after: str | None = None) -> Response:
    """Everything that is stopped, the button that stops, and a page of what was stopped before."""
    if visit is None:
        return to_sign_in()

    def work(unit: Unit, trust: InForce) -> dict[str, Any]:
        return freezes_view(unit.session, trust, operator=visit.operator, now=unit.now, after=after, limit=ROWS)

    return html(pages.freezes(visit, visit.call.trusting(work), after=after))
