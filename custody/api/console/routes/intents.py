"""One intent: what it says, the choice about it, and the verdict by passkey."""

from __future__ import annotations

import secrets
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from custody.api.body import Body, json_object
from custody.api.console.answers import challenge, form_fields, html, to_sign_in
from custody.api.console.asking import Question
from custody.api.console.door import AsGuest, AsVisitor, credentials_of
from custody.api.console.pages import intents as pages
from custody.approvals import operations as approvals
from custody.approvals import passkeys, queries
from custody.db import Unit
from custody.evidence import fields
from custody.evidence.approvals import VERDICTS, Approval, Statement
from custody.kernel.errors import InvalidInput
from custody.operators import library
from custody.operators import operations as operators
from custody.operators import queries as known
from custody.trust.operations import InForce
from custody.views.standing import whole_intent

router = APIRouter(prefix="/console/intents")

SHORTEST_REASON: Final = 10


@router.get("/{digest}")
def show_intent(visit: AsGuest, digest: str) -> Response:
    """One intent, and the choice between yes and no."""
    name = fields.hexadecimal(digest, field="digest", length=32)
    if visit is None:
        return to_sign_in()

    def work(unit: Unit, trust: InForce) -> tuple[dict[str, Any], bool]:
        filed = queries.get(unit.session, digest=name)
        counting = [each for each in credentials_of(trust.root, visit.operator) if trust.root.counts(each, unit.now)]
        has_passkey = bool(set(counting) - known.locked(unit.session))
        return whole_intent(unit.session, filed, root=trust.root, now=unit.now), has_passkey

    whole, has_passkey = visit.call.trusting(work)
    return html(pages.intent(visit, whole, has_passkey=has_passkey))


@router.post("/{digest}/statement")
def make_statement(visit: AsVisitor, digest: str, body: Body) -> Response:
    """Make the statement this operator's passkey is to sign, and show it with the button that signs it."""
    name = fields.hexadecimal(digest, field="digest", length=32)
    verdict, reason = _verdict(body)

    def work(unit: Unit, trust: InForce) -> tuple[dict[str, Any], Statement, list[str]]:
        filed = queries.get(unit.session, digest=name)
        said = passkeys.ask(
            unit.session,
            filed,
            verdict=verdict,
            approver=visit.operator,
            nonce=secrets.token_hex(16),
            reason=reason,
            now=unit.now,
        )
        whole = whole_intent(unit.session, filed, root=trust.root, now=unit.now)
        return whole, said, credentials_of(trust.root, visit.operator)

    whole, said, theirs = visit.call.trusting(work)
    options = library.assertion_options(console=visit.console, challenge=said.message, credentials=theirs)
    question = Question("get", options, said.message, f"/console/intents/{name}/verdict")
    return html(pages.statement(visit, whole, said, question))


@router.post("/{digest}/verdict")
def take_verdict(visit: AsVisitor, digest: str, body: Body) -> Response:
    """Record the verdict a passkey signed: 201 and where to go on."""
    name = fields.hexadecimal(digest, field="digest", length=32)
    found = json_object(body, "challenge", "credential")
    assertion = library.read_assertion(found["credential"], field="credential")
    answered = challenge(found["challenge"])

    def work(unit: Unit, trust: InForce) -> str:
        asked = operators.question(unit.session, challenge=answered, purpose=passkeys.PURPOSE, operator=visit.operator)
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


def _verdict(body: bytes) -> tuple[str, str]:
    """What is about to be said, and why where it is no. Raises ``InvalidInput``."""
    sent = form_fields(body, "verdict", "reason", optional=("reason",))
    verdict = fields.one_of(sent["verdict"], VERDICTS, field="verdict")
    reason = sent["reason"].strip()
    if verdict == "reject" and len(reason) < SHORTEST_REASON:
        raise InvalidInput(f"accepted is a reason of {SHORTEST_REASON} characters or more", field="reason")
    return verdict, reason if verdict == "reject" else ""
