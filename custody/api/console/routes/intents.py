"""One intent: what it says, the choice about it, and the verdict by passkey."""

from __future__ import annotations

import secrets
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from custody.api.body import Body, json_object
from custody.api.console.answers import challenge, form_fields, html, to_sign_in
from custody.api.console.asking import Question
from custody.api.console.door import AsGuest, AsVisitor, Visit, credentials_of, queue_of
from custody.api.console.pages import intents as pages
from custody.api.console.pages.interruption import hidden_groups, interruption, is_answered
from custody.approvals import misreading, passkeys, queries
from custody.approvals import operations as approvals
from custody.approvals.misreading import AddressMisread
from custody.db import Unit
from custody.evidence import fields
from custody.evidence.approvals import VERDICTS, Approval, Statement
from custody.kernel.errors import InvalidInput
from custody.operators import library
from custody.operators import operations as operators
from custody.trust.operations import InForce
from custody.views.deciding import deciding, why_not_approve
from custody.views.queue import NEEDS_ME, queue
from custody.views.standing import whole_intent

router = APIRouter(prefix="/console/intents")

_BESIDE: Final = ("reason", "first", "second")


@router.get("/{digest}")
def show_intent(visit: AsGuest, digest: str) -> Response:
    """One intent with everything around it, and the choice between yes and no."""
    name = fields.hexadecimal(digest, field="digest", length=32)
    return to_sign_in() if visit is None else html(pages.intent(visit, _shown(visit, name)))


@router.get("/{digest}/done")
def show_done(visit: AsGuest, digest: str) -> Response:
    """What became of a verdict, and what waits next."""
    name = fields.hexadecimal(digest, field="digest", length=32)
    if visit is None:
        return to_sign_in()
    operator, runtime = visit.operator, visit.call.runtime

    def work(unit: Unit, trust: InForce) -> tuple[dict[str, Any], dict[str, Any] | None]:
        filed = queries.get(unit.session, digest=name)
        waiting = queue(unit.session, queue_of(runtime, trust, operator, unit), place=NEEDS_ME, limit=2).rows
        following = next((each for each in waiting if each["digest"] != name), None)
        return whole_intent(unit.session, filed, root=trust.root, now=unit.now), following

    return html(pages.done(visit, *visit.call.trusting(work)))


@router.post("/{digest}/statement")
def make_statement(visit: AsVisitor, digest: str, body: Body) -> Response:
    """Make the statement this operator's passkey is to sign, and show it with the button that signs it.

    Nobody is asked for a passkey where the verdict would come too late. Raises ``NotWaiting``.
    Before a yes to what has a critical finding, the question of the interruption page is answered.
    """
    name = fields.hexadecimal(digest, field="digest", length=32)
    verdict, reason, answered = _verdict(body)
    places: tuple[int, ...] = ()
    if verdict == "approve":
        shown = _shown(visit, name)
        why_not = why_not_approve(visit.operator, shown)
        if why_not:
            raise AddressMisread(why_not, field="verdict")
        places = hidden_groups(shown["destination"], name, visit.operator) if shown["is_critical"] else ()
        if places and not is_answered(shown["destination"], places, answered):
            return html(interruption(visit, _misread(visit, shown) if any(answered) else shown))

    def work(unit: Unit, trust: InForce) -> tuple[dict[str, Any], Statement, list[str]]:
        if places:
            misreading.read(
                unit.session,
                digest=name,
                operator=visit.operator,
                correlation_id=visit.call.request_id,
                now=unit.now,
            )
        filed = queries.get(unit.session, digest=name)
        approvals.expect_waiting(filed, verdict=verdict, now=unit.now)
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
    return JSONResponse({"state": state, "next": f"/console/intents/{name}/done"}, status_code=201)


def _shown(visit: Visit, digest: str) -> dict[str, Any]:
    def work(unit: Unit, trust: InForce) -> dict[str, Any]:
        filed = queries.get(unit.session, digest=digest)
        return deciding(
            unit.session,
            filed,
            trust=trust,
            operator=visit.operator,
            now=unit.now,
            read_out=visit.call.runtime.settings.read_out,
        )

    return visit.call.trusting(work)


def _misread(visit: Visit, shown: dict[str, Any]) -> dict[str, Any]:
    """Keep that the address was read wrongly; from the second time on this person is not asked again."""
    times = visit.call.unit(
        lambda unit: misreading.misread(
            unit.session,
            digest=shown["digest"],
            operator=visit.operator,
            correlation_id=visit.call.request_id,
            now=unit.now,
        )
    )
    return shown | {"misread": times}


def _verdict(body: bytes) -> tuple[str, str, tuple[str, ...]]:
    """What is about to be said, why where it is no, and what was answered to the question before a yes.

    Raises ``InvalidInput``.
    """
    sent = form_fields(body, "verdict", *_BESIDE, optional=_BESIDE)
    verdict = fields.one_of(sent["verdict"], VERDICTS, field="verdict")
    reason = sent["reason"].strip()
    if verdict == "reject" and len(reason) < pages.SHORTEST_REASON:
        raise InvalidInput(f"accepted is a reason of {pages.SHORTEST_REASON} characters or more", field="reason")
    return verdict, reason if verdict == "reject" else "", (sent["first"], sent["second"])
