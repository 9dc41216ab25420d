"""An operator's passkeys: which count, and letting himself make another with one that does."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from custody.api.body import Body, json_object
from custody.api.console.answers import challenge, html, to_sign_in
from custody.api.console.asking import Question
from custody.api.console.door import AsGuest, AsVisitor, NotLetIn, credentials_of
from custody.api.console.pages import passkeys as pages
from custody.db import Unit
from custody.evidence.passkeys import Credential
from custody.operators import entering, library
from custody.operators import queries as known
from custody.trust.operations import InForce

router = APIRouter(prefix="/console/passkeys")


@router.get("")
def show_passkeys(visit: AsGuest) -> Response:
    """An operator's passkeys, and what to do so that a new one counts."""
    if visit is None:
        return to_sign_in()

    def work(unit: Unit, trust: InForce) -> tuple[list[pages.Passkey], list[Credential]]:
        locked, root = known.locked(unit.session), trust.root
        pinned = {
            each.id: each for person in root.operators if person.id == visit.operator for each in person.credentials
        }
        candidates = {
            each.credential.id: each.credential for each in known.candidates(unit.session, operator=visit.operator)
        }
        every = [*pinned.values(), *(each for name, each in candidates.items() if name not in pinned)]
        shown = [
            pages.Passkey(
                each, pages.in_words(root.cooling.get(each.id), each.id in locked, each.id in pinned, unit.now)
            )
            for each in every
        ]
        waiting = [each for name, each in candidates.items() if name not in pinned]
        return shown, waiting

    shown, waiting = visit.call.trusting(work)
    return html(pages.enrolment(visit, shown, waiting))


@router.post("/new")
def ask_for_another(visit: AsVisitor) -> Response:
    """Before another passkey is made, one that counts says that its person wants it."""

    def work(unit: Unit, trust: InForce) -> tuple[bytes, list[str]]:
        asked = entering.ask_for_another(unit.session, operator=visit.operator, now=unit.now)
        return asked, credentials_of(trust.root, visit.operator)

    asked, theirs = visit.call.trusting(work)
    options = library.assertion_options(console=visit.console, challenge=asked, credentials=theirs)
    return html(pages.another(visit, Question("get", options, asked, "/console/passkeys")))


@router.post("")
def allow_another(visit: AsVisitor, body: Body) -> Response:
    """Invite who answered with a passkey of his own to make another: 201 and where to go on."""
    found = json_object(body, "challenge", "credential")
    answered = challenge(found["challenge"])
    assertion = library.read_assertion(found["credential"], field="credential")

    def work(unit: Unit, trust: InForce) -> str:
        return entering.allow_another(
            unit.session,
            operator=visit.operator,
            challenge=answered,
            assertion=assertion,
            root=trust.root,
            now=unit.now,
        )

    try:
        secret = visit.call.letting_in(work)
    except entering.SignInRefused as error:
        raise NotLetIn(error.message, field=error.field) from error
    return JSONResponse({"next": f"/console/invitation#{secret}"}, status_code=201)
