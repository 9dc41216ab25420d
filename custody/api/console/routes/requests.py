"""Asking for something with a passkey. A form makes a request, a page shows its words, a passkey's answer files it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from custody.api.asking import Enquiry, ask, look
from custody.api.body import AskingBody, Body, json_object
from custody.api.console.answers import challenge, html, to_sign_in
from custody.api.console.asking import Question
from custody.api.console.door import AsGuest, AsVisitor, Visit, credentials_of
from custody.api.console.pages import requests as pages
from custody.api.console.pages.requests import Given
from custody.api.console.reading import network_names
from custody.api.console.wishes import WISHES, Asker, make, read_form
from custody.api.problems import status_of
from custody.approvals import passkeys
from custody.approvals.asking import Asked
from custody.db import Unit
from custody.evidence import fields
from custody.evidence.requests import RULE_CHANGES, parse_request
from custody.kernel.errors import Broken, CustodyError
from custody.operators import library
from custody.operators import operations as operators
from custody.operators import queries as known
from custody.reconciliation import queries as breaks
from custody.trust.operations import InForce
from custody.views import policy as views

router = APIRouter(prefix="/console/requests")

_RULES = frozenset(each.kind for each in RULE_CHANGES)


@router.get("/{kind}")
def show_form(visit: AsGuest, request: HttpRequest, kind: str) -> Response:
    """The form for one kind, with whatever the address says of its fields."""
    if visit is None:
        return to_sign_in()
    names, _ = WISHES[fields.one_of(kind, tuple(WISHES), field="kind")]
    said = {name: request.query_params.get(name, "")[:500] for name in names}
    if kind == "policy_change":
        said["document"] = visit.call.trusting(lambda _unit, trust: trust.policy_text)
    return html(_form(visit, kind, Given(said)))


@router.post("/{kind}")
def make_request(visit: AsVisitor, kind: str, body: AskingBody) -> Response:
    """Make the request this operator's passkey is to sign, and show it; or the form again with what was wrong."""
    given = read_form(body, kind)
    try:
        return html(_asked(visit, kind, given))
    except CustodyError as error:
        if isinstance(error, Broken):
            raise
        wrong = Given(given, (error.field or "").rpartition(".")[2], error.message)
        return html(_form(visit, kind, wrong), status=status_of(error))


@router.post("")
def take_request(visit: AsVisitor, body: Body) -> Response:
    """File the request a passkey signed, as any other: 201 and where to go on."""
    found = json_object(body, "challenge", "credential")
    assertion = library.read_assertion(found["credential"], field="credential")
    answered = challenge(found["challenge"])
    document = visit.call.unit(lambda unit: _question(unit, answered, visit.operator))
    request = parse_request(document["request"])
    seen = look(visit.call.runtime, request)

    def work(unit: Unit, trust: InForce) -> Asked:
        attachments, called = document["attachments"], visit.call.request_id
        return ask(Enquiry(unit.session, request, assertion, trust, attachments, seen, called, unit.now))

    asked = visit.call.trusting(work)
    next_page = pages.PLACES[request.kind] if request.kind in _RULES else f"/console/intents/{asked.digest}"
    return JSONResponse({"state": asked.state, "next": next_page}, status_code=201)


def _asked(visit: Visit, kind: str, given: Mapping[str, str]) -> str:
    def work(unit: Unit, trust: InForce) -> str:
        wish = make(kind, given, Asker(visit.operator, trust, visit.call.runtime, unit.now))
        prospect = views.prospect_of(unit.session, trust, wish.request, now=unit.now)
        signed = passkeys.ask_author(unit.session, wish.request, attachments=wish.attachments, now=unit.now)
        theirs = [each for each in credentials_of(trust.root, visit.operator) if trust.root.counts(each, unit.now)]
        usable = sorted(set(theirs) - known.locked(unit.session))
        options = library.assertion_options(console=visit.console, challenge=signed, credentials=usable)
        return pages.question(
            visit,
            wish.request,
            prospect,
            Question("get", options, signed, "/console/requests"),
            changes=views.changes_in_words(trust, wish.attachments) if wish.attachments else (),
            has_passkey=bool(usable),
        )

    return visit.call.trusting(work)


def _form(visit: Visit, kind: str, given: Given) -> str:
    above = _break(visit, given.values.get("subject", "")) if kind == "break_resolution" else []
    return pages.form_page(visit, kind, given, chains=network_names(visit), above=above)


def _break(visit: Visit, name: str) -> list[tuple[str, str]]:
    """What differs, where the form is about one break."""
    if not name:
        return []
    try:
        found = visit.call.unit(lambda unit: breaks.get_break(unit.session, break_id=name))
    except breaks.UnknownBreak:
        return []
    said = found.said
    return [
        ("break", found.id),
        ("vault", said.vault),
        ("asset", said.asset),
        ("check", said.check),
        ("expected", f"{said.expected} base units"),
        ("found", f"{said.found} base units"),
        ("why", said.detail),
        ("stands", found.resolution or "open: the vault pays nothing until it is resolved"),
    ]


def _question(unit: Unit, answered: bytes, operator: str) -> Mapping[str, Any]:
    return operators.question(unit.session, challenge=answered, purpose=passkeys.ASKING, operator=operator)
