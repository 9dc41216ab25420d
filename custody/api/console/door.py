"""Who is at the console: a cookie after signing in with an operator's token, and only from the console's own pages.

The origin comes from the trust root. A cookie opens nothing that matters: a verdict needs the person's passkey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.responses import Response

from custody.api.auth import Caller, Role
from custody.api.call import Call
from custody.api.problems import Unauthenticated
from custody.db import Unit
from custody.evidence.passkeys import Console
from custody.kernel.errors import NotFound, Refused
from custody.operators import operations as operators
from custody.trust.operations import InForce

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self)",
    # Not no-referrer: a form would then be sent with the origin "null", which is nobody's.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class NoConsole(NotFound):
    """The trust root names no console: nobody may use a passkey."""

    code = "no-console"


class NotSignedIn(Unauthenticated):
    """Nobody is signed in to the console, or no longer. HTTP 401; a page leads to where one signs in."""

    code = "not-signed-in"


class ForeignOrigin(Refused):
    """Something was sent to the console by a page that is not the console's."""

    code = "foreign-origin"


@dataclass(frozen=True, slots=True, repr=False)
class Visit:
    """One call of the console's pages."""

    call: Call
    console: Console
    operator: str


def sign_in(request: Request, token: str) -> str:
    """Open the console for the operator whose API token this is; returns what the cookie holds.

    Raises ``Unauthenticated``.
    """
    caller = request.app.state.callers.identify(f"Bearer {token}")

    def work(unit: Unit, trust: InForce) -> str:
        if caller.role is not Role.OPERATOR or not _is_operator(trust, caller.name):
            raise Unauthenticated("this token is no operator's")
        return operators.sign_in(unit.session, operator=caller.name, now=unit.now)

    return _call(request, caller.name).trusting(work)


def sign_out(request: Request, console: Console) -> None:
    """End what the cookie opened, if anything."""
    token = request.cookies.get(_cookie(console), "")
    _call(request, "nobody").unit(lambda unit: operators.sign_out(unit.session, token=token, now=unit.now))


def console_of(request: Request) -> Console:
    """A dependency: the console of the trust root in force. Raises ``NoConsole``."""
    console = _call(request, "nobody").trusting(lambda _unit, trust: trust.root.console)
    if console is None:
        raise NoConsole("the trust root names no console")
    return console


def own_page(request: Request) -> Console:
    """A dependency of what is posted: it comes from the console's own pages. Raises ``ForeignOrigin``."""
    console = console_of(request)
    if request.headers.get("origin") != console.origin:
        raise ForeignOrigin("sent by a page that is not the console's", field="origin")
    return console


def guest(request: Request) -> Visit | None:
    """A dependency of pages: the operator who is signed in, if anybody is. Raises ``NoConsole``."""
    console = console_of(request)
    token = request.cookies.get(_cookie(console), "")

    def work(unit: Unit, trust: InForce) -> str | None:
        name = operators.signed_in(unit.session, token=token, now=unit.now)
        return name if name is not None and _is_operator(trust, name) else None

    name = _call(request, "nobody").trusting(work)
    if name is None:
        return None
    request.state.caller = name
    return Visit(_call(request, name), console, name)


def visitor(request: Request) -> Visit:
    """A dependency of what is posted: who is signed in. Raises ``ForeignOrigin`` or ``NotSignedIn``."""
    own_page(request)
    found = guest(request)
    if found is None:
        raise NotSignedIn("sign in to the console first")
    return found


def give_cookie(response: Response, console: Console, token: str, *, seconds: int) -> None:
    """Set the cookie: not for scripts, not for other sites' pages, and only encrypted where the console is."""
    is_secure = _is_secure(console)
    response.set_cookie(
        _cookie(console), token, max_age=seconds, path="/", secure=is_secure, httponly=True, samesite="strict"
    )


AsGuest = Annotated[Visit | None, Depends(guest)]
AsVisitor = Annotated[Visit, Depends(visitor)]
OnOwnPage = Annotated[Console, Depends(own_page)]
Shown = Annotated[Console, Depends(console_of)]


def _call(request: Request, name: str) -> Call:
    return Call(request.app.state.runtime, Caller(name, Role.OPERATOR), request.state.request_id)


def _cookie(console: Console) -> str:
    return "__Host-custody" if _is_secure(console) else "custody"


def _is_secure(console: Console) -> bool:
    return console.origin.startswith("https://")


def _is_operator(trust: InForce, name: str) -> bool:
    return any(person.id == name for person in trust.root.operators)
