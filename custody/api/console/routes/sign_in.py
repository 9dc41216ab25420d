"""In at the door with a passkey, and out again."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from custody.api.body import Body, json_object
from custody.api.console.answers import challenge, html, see
from custody.api.console.door import AsVisitor, OnOwnPage, Shown, give_cookie, nobodys_call, sign_in, sign_out
from custody.api.console.navigation import QUEUE, SIGN_IN
from custody.api.console.pages import sign_in as pages
from custody.api.knocking import Knocking
from custody.operators import entering, library
from custody.operators import operations as operators

router = APIRouter(prefix="/console")


@router.get("/sign-in")
def show_sign_in(console: Shown) -> Response:
    """Where an operator signs in."""
    return html(pages.sign_in(console))


@router.post("/sign-in/question")
def ask_who(request: HttpRequest, console: OnOwnPage) -> Response:
    """The question to whichever passkey of this console the browser has: 201."""
    asked = nobodys_call(request).unit(lambda unit: entering.ask_who(unit.session, now=unit.now))
    options = library.assertion_options(console=console, challenge=asked, credentials=[])
    return JSONResponse({"challenge": asked.hex(), "options": options}, status_code=201)


@router.post("/sign-in")
def take_sign_in(request: HttpRequest, console: OnOwnPage, body: Body) -> Response:
    """Take what a passkey answered: 201 with a cookie and where to go on, or 401; 429 where too much failed."""
    knocking: Knocking = request.app.state.knocking
    with knocking.heard(request):
        found = json_object(body, "challenge", "credential")
        assertion = library.read_assertion(found["credential"], field="credential")
        token = sign_in(request, challenge(found["challenge"]), assertion)
    answer = JSONResponse({"next": QUEUE}, status_code=201)
    give_cookie(answer, console, token, seconds=int(operators.SIGN_IN_LASTS.total_seconds()))
    return answer


@router.post("/stay")
def stay(visit: AsVisitor) -> Response:
    """The person is still there: how many seconds are left now until nothing done ends it."""
    return JSONResponse({"idle_seconds": visit.idle_seconds})


@router.post("/sign-out")
def take_sign_out(request: HttpRequest, console: OnOwnPage) -> Response:
    """End it."""
    sign_out(request, console)
    answer = see(SIGN_IN)
    give_cookie(answer, console, "", seconds=0)
    return answer
