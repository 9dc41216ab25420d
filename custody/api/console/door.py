"""Who is at the console, and what the frame around each page says of it: read in one unit, from one snapshot.

The origin comes from the trust root. A cookie opens nothing that matters: a verdict needs the person's passkey.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Request
from starlette.responses import Response

from custody.api.auth import Caller, Role
from custody.api.call import Call
from custody.api.console.looks import COOKIE, Looks
from custody.api.problems import Unauthenticated
from custody.approvals import waiting
from custody.approvals.askings import askings_among
from custody.bootstrap import Runtime
from custody.db import Unit
from custody.evidence.passkeys import Assertion, Console
from custody.evidence.trust_root import TrustRoot
from custody.kernel.errors import Refused
from custody.movements import queries as movements
from custody.operators import entering
from custody.operators import operations as operators
from custody.trust.operations import InForce
from custody.views.queue import Asked

Result = TypeVar("Result")

LIVE: Final = "x-custody-live"
"""The header of what the live script fetches by itself."""


class NotSignedIn(Unauthenticated):
    """Nobody is signed in to the console, or no longer. HTTP 401; a page leads to where one signs in."""

    code = "not-signed-in"


class NotLetIn(Unauthenticated):
    """A passkey opened nothing. HTTP 401; nothing was changed."""

    code = "sign-in-refused"


class ForeignOrigin(Refused):
    """Something was sent to the console by a page that is not the console's."""

    code = "foreign-origin"


@dataclass(frozen=True, slots=True, repr=False)
class Visit:
    """One call of the console's pages."""

    call: Call
    console: Console
    operator: str
    groups: tuple[str, ...]
    """Of the trust root; in none of them a person sees and decides nothing."""
    looks: Looks
    environment: str
    """The networks in capitals and the house's name: ``REGTEST demo``."""
    is_mainnet: bool
    tips: tuple[tuple[str, int], ...]
    """Each network's newest block that was read."""
    needs_me: int
    """How much waits for this person's verdict."""
    at: datetime
    """The moment of the snapshot."""
    idle_seconds: int
    """After how long the sign-in ends if nothing is done by it."""

    @property
    def role(self) -> str:
        """In words: the groups, or that there is nothing to decide."""
        return ", ".join(self.groups) or "read only"


def sign_in(request: Request, challenge: bytes, assertion: Assertion) -> str:
    """Open the console to whose passkey answered; returns what the cookie holds. Raises ``NotLetIn``."""

    def work(unit: Unit, trust: InForce) -> str:
        return entering.enter(unit.session, challenge=challenge, assertion=assertion, root=trust.root, now=unit.now)

    try:
        return nobodys_call(request).letting_in(work)
    except entering.SignInRefused as error:
        raise NotLetIn(error.message, field=error.field) from error


def sign_out(request: Request, console: Console) -> None:
    """End what the cookie opened, if anything."""
    token = request.cookies.get(_cookie(console), "")
    nobodys_call(request).unit(lambda unit: operators.sign_out(unit.session, token=token, now=unit.now))


def console_of(request: Request) -> Console:
    """A dependency: the console of the trust root in force. Raises ``NoConsole``."""
    return nobodys_call(request).trusting(lambda _unit, trust: _console(trust))


def own_page(request: Request) -> Console:
    """A dependency of what is posted: it comes from the console's own pages. Raises ``ForeignOrigin``."""
    console = console_of(request)
    if request.headers.get("origin") != console.origin:
        raise ForeignOrigin("sent by a page that is not the console's", field="origin")
    # Browsers that say where a call comes from must say: from here. Those that do not are bound by the origin.
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise ForeignOrigin("sent from another site", field="sec-fetch-site")
    return console


def guest(request: Request) -> Visit | None:
    """A dependency of pages: the operator who is signed in, if anybody is. Raises ``NoConsole``.

    What the live script fetches by itself is nothing that the person does.
    """
    looked = _look(request, _nothing_more, is_active=LIVE not in request.headers)
    return looked and looked[0]


def looking(request: Request, work: Callable[[Unit, Visit, Asked], Result]) -> tuple[Visit, Result] | None:
    """As ``guest``, and what ``work`` finds in the very unit that the frame is read in, if anybody is signed in.

    For the page that people have open: one unit in the place of two. Raises ``NoConsole``, and what ``work`` raises.
    """
    return _look(request, work, is_active=LIVE not in request.headers)


def _nothing_more(_unit: Unit, _visit: Visit, _asked: Asked) -> None:
    """Of a page that reads in a unit of its own."""


def _look(
    request: Request, work: Callable[[Unit, Visit, Asked], Result], *, is_active: bool
) -> tuple[Visit, Result] | None:
    runtime: Runtime = request.app.state.runtime

    def whole(unit: Unit, trust: InForce) -> tuple[Visit, Result] | None:
        console = _console(trust)
        token = request.cookies.get(_cookie(console), "")
        found = entering.signed_in(unit.session, token=token, now=unit.now, is_active=is_active)
        if found is None or not _is_operator(trust, found.operator):
            return None
        name = found.operator
        request.state.caller = name
        known = {each.chain: each.name for each in runtime.chains.values()}
        asked = queue_of(runtime, trust, name, unit)
        visit = Visit(
            call=_call(request, name),
            console=console,
            operator=name,
            groups=tuple(group for group, members in sorted(trust.root.groups.items()) if name in members),
            looks=Looks.read(request.cookies.get(COOKIE, "")),
            environment=f"{' '.join(known.values()).upper()} {trust.root.name}",
            is_mainnet=runtime.is_mainnet,
            tips=tuple((known.get(chain, chain), height) for chain, height, _ in movements.tips(unit.session)),
            needs_me=waiting.count(unit.session, asked.waiting, place=waiting.MINE),
            at=unit.now,
            idle_seconds=int((min(found.idle_at, found.expires_at) - unit.now).total_seconds()),
        )
        return visit, work(unit, visit, asked)

    return nobodys_call(request).trusting(whole)


def visitor(request: Request) -> Visit:
    """A dependency of what is posted: who is signed in. Raises ``ForeignOrigin`` or ``NotSignedIn``."""
    own_page(request)
    found = guest(request)
    if found is None:
        raise NotSignedIn("sign in to the console first")
    return found


def watcher(request: Request) -> Visit:
    """A dependency of what a page fetches by itself: who is signed in; it keeps nobody so. Raises ``NotSignedIn``."""
    found = _look(request, _nothing_more, is_active=False)
    if found is None:
        raise NotSignedIn("sign in to the console first")
    return found[0]


def give_cookie(response: Response, console: Console, token: str, *, seconds: int) -> None:
    """Set the cookie: not for scripts, not for other sites' pages, and only encrypted where the console is."""
    is_secure = _is_secure(console)
    response.set_cookie(
        _cookie(console), token, max_age=seconds, path="/", secure=is_secure, httponly=True, samesite="strict"
    )


def queue_of(runtime: Runtime, trust: InForce, operator: str, unit: Unit) -> Asked:
    """What the view of the queue is asked for this operator."""
    return Asked(trust, operator, runtime.deadlines, askings_among(unit.session), unit.now)


def credentials_of(root: TrustRoot, operator: str) -> list[str]:
    """The ids of this operator's passkeys in the trust root."""
    return [each.id for person in root.operators if person.id == operator for each in person.credentials]


AsGuest = Annotated[Visit | None, Depends(guest)]
AsWatcher = Annotated[Visit, Depends(watcher)]
AsVisitor = Annotated[Visit, Depends(visitor)]
OnOwnPage = Annotated[Console, Depends(own_page)]
Shown = Annotated[Console, Depends(console_of)]


def _console(trust: InForce) -> Console:
    if trust.root.console is None:
        raise entering.NoConsole("the trust root names no console")
    return trust.root.console


def nobodys_call(request: Request) -> Call:
    """A call by who is not signed in."""
    return _call(request, "nobody")


def _call(request: Request, name: str) -> Call:
    return Call(request.app.state.runtime, Caller(name, Role.OPERATOR), request.state.request_id)


def _cookie(console: Console) -> str:
    return "__Host-custody" if _is_secure(console) else "custody"


def _is_secure(console: Console) -> bool:
    return console.origin.startswith("https://")


def _is_operator(trust: InForce, name: str) -> bool:
    return any(person.id == name for person in trust.root.operators)
