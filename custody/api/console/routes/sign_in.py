"""In at the door, and out again."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.responses import Response

from custody.api.body import Body
from custody.api.console.answers import form_field, html, see
from custody.api.console.door import OnOwnPage, Shown, give_cookie, sign_in, sign_out
from custody.api.console.navigation import QUEUE, SIGN_IN
from custody.api.console.pages import sign_in as pages
from custody.api.problems import Unauthenticated
from custody.operators import operations as operators

router = APIRouter(prefix="/console")


@router.get("/sign-in")
def show_sign_in(_console: Shown) -> Response:
    """Where an operator signs in."""
    return html(pages.sign_in())


@router.post("/sign-in")
def take_sign_in(request: HttpRequest, console: OnOwnPage, body: Body) -> Response:
    """Take an operator's API token; on to the queue with a cookie, or the page again: 401."""
    try:
        token = sign_in(request, form_field(body, "token"))
    except Unauthenticated as error:
        return html(pages.sign_in(error.message), status=401)
    answer = see(QUEUE)
    give_cookie(answer, console, token, seconds=int(operators.SIGN_IN_LASTS.total_seconds()))
    return answer


@router.post("/sign-out")
def take_sign_out(request: HttpRequest, console: OnOwnPage) -> Response:
    """End it."""
    sign_out(request, console)
    answer = see(SIGN_IN)
    give_cookie(answer, console, "", seconds=0)
    return answer
