"""The console's routes. A page asks for one thing, shows it, and posts one answer."""

from __future__ import annotations

import secrets
import urllib.parse
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from custody.api.body import Body, json_object
from custody.api.console import pages
from custody.api.console.door import (
    HEADERS,
    AsGuest,
    AsVisitor,
    OnOwnPage,
    Shown,
    give_cookie,
    sign_in,
    sign_out,
)
from custody.api.problems import Unauthenticated
from custody.approvals import operations as approvals
from custody.approvals import passkeys, queries
from custody.db import Unit
from custody.evidence import fields
from custody.evidence.approvals import VERDICTS, Approval, Statement
from custody.evidence.passkeys import Credential
from custody.evidence.trust_root import TrustRoot
from custody.operators import library
from custody.operators import operations as operators
from custody.operators import queries as known
from custody.trust.operations import InForce
from custody.views.standing import whole_intent, whole_intents

router = APIRouter(prefix="/console")

ENROLMENT: Final = "enrolment"
ANSWERED_WITHIN: Final = timedelta(minutes=5)
_STATIC: Final = Path(__file__).parent / "static"
_TYPES: Final = {"console.js": "text/javascript; charset=utf-8", "console.css": "text/css; charset=utf-8"}
SIGN_IN: Final = "/console/sign-in"


@router.get("/static/{name}")
def static(name: str) -> Response:
    """The console's own script and style, and nothing else."""
    fields.one_of(name, tuple(_TYPES), field="name")
    return Response((_STATIC / name).read_bytes(), media_type=_TYPES[name], headers=HEADERS)


@router.get("/sign-in")
def show_sign_in(_console: Shown) -> Response:
    """Where an operator signs in."""
    return _html(pages.sign_in())


@router.post("/sign-in")
def take_sign_in(request: HttpRequest, console: OnOwnPage, body: Body) -> Response:
    """Take an operator's API token; on to the queue with a cookie, or the page again: 401."""
    try:
        token = sign_in(request, _form(body, "token"))
    except Unauthenticated as error:
        return _html(pages.sign_in(error.message), status=401)
    answer = RedirectResponse("/console", status_code=303, headers=HEADERS)
    give_cookie(answer, console, token, seconds=int(operators.SIGN_IN_LASTS.total_seconds()))
    return answer


@router.post("/sign-out")
def take_sign_out(request: HttpRequest, console: OnOwnPage) -> Response:
    """End it."""
    sign_out(request, console)
    answer = RedirectResponse(SIGN_IN, status_code=303, headers=HEADERS)
    give_cookie(answer, console, "", seconds=0)
    return answer


@router.get("")
def show_queue(visit: AsGuest) -> Response:
    """What waits for people."""
    if visit is None:
        return _to_sign_in()

    def work(unit: Unit, trust: InForce) -> list[dict[str, Any]]:
        found = [*queries.waiting(unit.session), *queries.vetoable(unit.session, now=unit.now)]
        return whole_intents(unit.session, found, trust=trust, now=unit.now)

    return _html(pages.queue(visit.operator, visit.call.trusting(work)))


@router.get("/intents/{digest}")
def show_intent(visit: AsGuest, digest: str) -> Response:
    """One intent, and the choice between yes and no."""
    name = fields.hexadecimal(digest, field="digest", length=32)
    if visit is None:
        return _to_sign_in()

    def work(unit: Unit, trust: InForce) -> tuple[dict[str, Any], bool]:
        filed = queries.get(unit.session, digest=name)
        counting = [each for each in _credentials(trust.root, visit.operator) if trust.root.counts(each, unit.now)]
        has_passkey = bool(set(counting) - known.locked(unit.session))
        return whole_intent(unit.session, filed, root=trust.root, now=unit.now), has_passkey

    whole, has_passkey = visit.call.trusting(work)
    return _html(pages.intent(visit.operator, whole, has_passkey=has_passkey))


@router.post("/intents/{digest}/statement")
def make_statement(visit: AsVisitor, digest: str, body: Body) -> Response:
    """Make the statement this operator's passkey is to sign, and show it with the button that signs it."""
    name = fields.hexadecimal(digest, field="digest", length=32)
    verdict = fields.one_of(_form(body, "verdict"), VERDICTS, field="verdict")

    def work(unit: Unit, trust: InForce) -> tuple[dict[str, Any], Statement, list[str]]:
        filed = queries.get(unit.session, digest=name)
        said = passkeys.ask(
            unit.session,
            filed,
            verdict=verdict,
            approver=visit.operator,
            nonce=secrets.token_hex(16),
            now=unit.now,
        )
        whole = whole_intent(unit.session, filed, root=trust.root, now=unit.now)
        return whole, said, _credentials(trust.root, visit.operator)

    whole, said, theirs = visit.call.trusting(work)
    options = library.assertion_options(console=visit.console, challenge=said.message, credentials=theirs)
    question = pages.Question("get", options, said.message, f"/console/intents/{name}/verdict")
    return _html(pages.statement(visit.operator, whole, said, question))


@router.post("/intents/{digest}/verdict")
def take_verdict(visit: AsVisitor, digest: str, body: Body) -> Response:
    """Record the verdict a passkey signed: 201 and where to go on."""
    name = fields.hexadecimal(digest, field="digest", length=32)
    found = json_object(body, "challenge", "credential")
    assertion = library.read_assertion(found["credential"], field="credential")
    challenge = _challenge(found["challenge"])

    def work(unit: Unit, trust: InForce) -> str:
        asked = operators.question(unit.session, challenge=challenge, purpose=passkeys.PURPOSE, operator=visit.operator)
        approval = Approval.parse({"statement": asked, "signature": assertion.to_json()})
        filed = approvals.give(
            unit.session,
            digest=name,
            approval=approval,
            root=trust.root,
            correlation_id=visit.call.request_id,
            now=unit.now,
        )
        return filed.state

    state = visit.call.trusting(work)
    return JSONResponse({"state": state, "next": f"/console/intents/{name}"}, status_code=201)


@router.get("/passkeys")
def show_passkeys(visit: AsGuest) -> Response:
    """An operator's passkeys, and what to do so that a new one counts."""
    if visit is None:
        return _to_sign_in()

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
    return _html(pages.enrolment(visit.operator, shown, waiting))


@router.post("/passkeys/new")
def ask_for_passkey(visit: AsVisitor) -> Response:
    """Ask the browser to make a passkey."""
    challenge = secrets.token_bytes(32)

    def work(unit: Unit, trust: InForce) -> list[str]:
        operators.ask(
            unit.session,
            challenge=challenge,
            purpose=ENROLMENT,
            operator=visit.operator,
            document={},
            now=unit.now,
            expires_at=unit.now + ANSWERED_WITHIN,
        )
        waiting = [each.credential.id for each in known.candidates(unit.session, operator=visit.operator)]
        return sorted({*waiting, *_credentials(trust.root, visit.operator)})

    theirs = visit.call.trusting(work)
    options = library.registration_options(
        console=visit.console, operator=visit.operator, challenge=challenge, known=theirs
    )
    question = pages.Question("create", options, challenge, "/console/passkeys")
    return _html(pages.registration(visit.operator, question))


@router.post("/passkeys")
def take_passkey(visit: AsVisitor, body: Body) -> Response:
    """Keep a new passkey as a candidate, which counts for nothing yet: 201 and where to go on."""
    found = json_object(body, "challenge", "credential")
    challenge = _challenge(found["challenge"])
    made = library.registered(found["credential"], challenge=challenge, console=visit.console)

    def work(unit: Unit) -> None:
        operators.answer(unit.session, challenge=challenge, purpose=ENROLMENT, operator=visit.operator, now=unit.now)
        operators.register(
            unit.session,
            credential=made.credential,
            operator=visit.operator,
            sign_count=made.sign_count,
            now=unit.now,
        )

    visit.call.unit(work)
    return JSONResponse({"next": "/console/passkeys"}, status_code=201)


def _credentials(root: TrustRoot, operator: str) -> list[str]:
    return [each.id for person in root.operators if person.id == operator for each in person.credentials]


def _challenge(value: object) -> bytes:
    text = fields.hexadecimal(value, field="challenge")
    if len(text) < 64:
        raise operators.PasskeyRefused("is only a part of one", field="challenge", reason="challenge-truncated")
    return bytes.fromhex(fields.hexadecimal(text, field="challenge", length=32))


def _form(body: bytes, key: str) -> str:
    """One field of a form, exactly once. Raises ``InvalidInput``."""
    try:
        found = urllib.parse.parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=2)
    except ValueError:
        found = {}
    values = found.get(key, [])
    return fields.text(values[0] if len(values) == 1 and len(found) == 1 else None, field=key, limit=500)


def _html(text: str, *, status: int = 200) -> Response:
    return HTMLResponse(text, status_code=status, headers=HEADERS)


def _to_sign_in() -> Response:
    return RedirectResponse(SIGN_IN, status_code=303, headers=HEADERS)
