"""How the console looks in one browser, and the page that says which keys do what."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from custody.api.body import Body
from custody.api.console.answers import form_fields, html, see
from custody.api.console.door import AsGuest, AsVisitor
from custody.api.console.looks import COOKIE, DENSITIES, LASTS_SECONDS, LETTERS, THEMES, Looks
from custody.api.console.navigation import HELP
from custody.api.console.pages import settings as pages
from custody.evidence import fields

router = APIRouter(prefix="/console")


@router.get("/help")
def show_help(visit: AsGuest) -> Response:
    """Keys and settings; who is not signed in reads how to."""
    return html(pages.settings(visit))


@router.post("/settings")
def take_settings(visit: AsVisitor, body: Body) -> Response:
    """Keep how the console looks in this browser; nothing else changes."""
    found = form_fields(body, "theme", "density", "letters")
    looks = Looks(
        theme=fields.one_of(found["theme"], THEMES, field="theme"),
        density=fields.one_of(found["density"], DENSITIES, field="density"),
        letters=fields.one_of(found["letters"], LETTERS, field="letters"),
    )
    answer = see(HELP)
    is_secure = visit.console.origin.startswith("https://")
    answer.set_cookie(
        COOKIE, looks.cookie, max_age=LASTS_SECONDS, path="/console", secure=is_secure, httponly=True, samesite="strict"
    )
    return answer
