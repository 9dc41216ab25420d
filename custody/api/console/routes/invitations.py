"""Invitations: a link that lets one browser register one passkey, once, as a candidate that counts for nothing yet."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from custody.api.body import Body, json_object
from custody.api.console.answers import challenge, html
from custody.api.console.door import OnOwnPage, Shown, credentials_of, nobodys_call
from custody.api.console.pages import sign_in as pages
from custody.api.console.pages.passkeys import in_words
from custody.api.knocking import Knocking
from custody.db import Unit
from custody.evidence import fields
from custody.evidence.passkeys import Credential
from custody.kernel.errors import NotFound
from custody.operators import entering, library
from custody.operators import queries as known
from custody.trust.operations import InForce

router = APIRouter(prefix="/console")


class NoCandidate(NotFound):
    """No passkey was registered under that id."""

    code = "no-candidate"


@router.get("/invitation")
def show_invitation(console: Shown) -> Response:
    """The page of the link; the secret stands behind its ``#``, which browsers send to nobody."""
    return html(pages.invited(console))


@router.post("/invitation/question")
def ask_invited(request: HttpRequest, console: OnOwnPage, body: Body) -> Response:
    """What the browser is to make, for who is invited: 201. The invitation is not used up by asking."""
    secret = fields.text(json_object(body, "secret")["secret"], field="secret", limit=200)
    knocking: Knocking = request.app.state.knocking

    def work(unit: Unit, trust: InForce) -> tuple[str, bytes, list[str]]:
        operator, asked = entering.ask_invited(unit.session, token=secret, now=unit.now)
        theirs = [each.credential.id for each in known.candidates(unit.session, operator=operator)]
        return operator, asked, sorted({*theirs, *credentials_of(trust.root, operator)})

    with knocking.heard(request):
        operator, asked, theirs = nobodys_call(request).trusting(work)
    options = library.registration_options(console=console, operator=operator, challenge=asked, known=theirs)
    return JSONResponse({"challenge": asked.hex(), "options": options}, status_code=201)


@router.post("/invitation")
def take_passkey(request: HttpRequest, console: OnOwnPage, body: Body) -> Response:
    """Keep the passkey that was made as a candidate, and use the invitation up: 201 and where to go on."""
    found = json_object(body, "secret", "challenge", "credential")
    secret = fields.text(found["secret"], field="secret", limit=200)
    answered = challenge(found["challenge"])
    knocking: Knocking = request.app.state.knocking
    with knocking.heard(request):
        made = library.registered(found["credential"], challenge=answered, console=console)
        nobodys_call(request).unit(
            lambda unit: entering.accept(unit.session, token=secret, challenge=answered, made=made, now=unit.now)
        )
    return JSONResponse({"next": f"/console/candidates/{made.credential.id}"}, status_code=201)


@router.get("/candidates/{credential}")
def show_candidate(request: HttpRequest, _console: Shown, credential: str) -> Response:
    """A passkey that was made here: public as its public key is, and found by who knows its id."""
    name = fields.text(credential, field="credential", limit=1_400)

    def work(unit: Unit, trust: InForce) -> tuple[str, Credential, bool, str]:
        found = known.candidate(unit.session, credential=name)
        if found is None:
            raise NoCandidate("no passkey was registered under that id", field="credential")
        root = trust.root
        is_pinned = root.operator_credential(found.operator, name) is not None
        stands = in_words(root.cooling.get(name), name in known.locked(unit.session), is_pinned, unit.now)
        is_new = all(person.id != found.operator for person in root.operators)
        return found.operator, found.credential, is_new, stands

    operator, passkey, is_new, stands = nobodys_call(request).trusting(work)
    return html(pages.candidate(operator, passkey, is_new=is_new, stands=stands))
