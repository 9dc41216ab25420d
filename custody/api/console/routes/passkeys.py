"""An operator's passkeys: which count, and registering another as a candidate."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from custody.api.body import Body, json_object
from custody.api.console.answers import challenge, html, to_sign_in
from custody.api.console.asking import Question
from custody.api.console.door import AsGuest, AsVisitor, credentials_of
from custody.api.console.pages import passkeys as pages
from custody.db import Unit
from custody.evidence.passkeys import Credential
from custody.operators import library
from custody.operators import operations as operators
from custody.operators import queries as known
from custody.trust.operations import InForce

router = APIRouter(prefix="/console/passkeys")

ENROLMENT: Final = "enrolment"
ANSWERED_WITHIN: Final = timedelta(minutes=5)


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
def ask_for_passkey(visit: AsVisitor) -> Response:
    """Ask the browser to make a passkey."""
    asked = secrets.token_bytes(32)

    def work(unit: Unit, trust: InForce) -> list[str]:
        operators.ask(
            unit.session,
            challenge=asked,
            purpose=ENROLMENT,
            operator=visit.operator,
            document={},
            now=unit.now,
            expires_at=unit.now + ANSWERED_WITHIN,
        )
        waiting = [each.credential.id for each in known.candidates(unit.session, operator=visit.operator)]
        return sorted({*waiting, *credentials_of(trust.root, visit.operator)})

    theirs = visit.call.trusting(work)
    options = library.registration_options(
        console=visit.console, operator=visit.operator, challenge=asked, known=theirs
    )
    question = Question("create", options, asked, "/console/passkeys")
    return html(pages.registration(visit, question))


@router.post("")
def take_passkey(visit: AsVisitor, body: Body) -> Response:
    """Keep a new passkey as a candidate, which counts for nothing yet: 201 and where to go on."""
    found = json_object(body, "challenge", "credential")
    answered = challenge(found["challenge"])
    made = library.registered(found["credential"], challenge=answered, console=visit.console)

    def work(unit: Unit) -> None:
        operators.answer(unit.session, challenge=answered, purpose=ENROLMENT, operator=visit.operator, now=unit.now)
        operators.register(
            unit.session,
            credential=made.credential,
            operator=visit.operator,
            sign_count=made.sign_count,
            now=unit.now,
        )

    visit.call.unit(work)
    return JSONResponse({"next": "/console/passkeys"}, status_code=201)
