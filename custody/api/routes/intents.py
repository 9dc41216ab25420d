"""Intents that wait for people, and the verdicts people give on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from custody.api.asking import Enquiry, ask, look
from custody.api.body import AskingBody, Body, any_json, json_object
from custody.api.call import AsOperator, AsReader, AsRequesterOrOperator, Call
from custody.api.idempotency import REPLAYED, Key, expect_same
from custody.api.paging import After, Limit, page
from custody.approvals import operations, queries
from custody.approvals.asking import Asked
from custody.approvals.queries import FiledIntent
from custody.db import Unit
from custody.evidence import fields
from custody.evidence.approvals import Approval
from custody.evidence.requests import parse_request
from custody.evidence.signatures import Signature
from custody.kernel.crash import crash_point
from custody.trust.operations import InForce
from custody.views import cursors
from custody.views.standing import whole_intent, whole_intents

router = APIRouter(prefix="/v1/intents")


@router.post("")
def create(call: AsRequesterOrOperator, body: AskingBody, key: Key = None) -> Response:
    """Ask for anything: a signed request of any kind, with what its kind reads beside it.

    201 and the whole intent, whatever the policy said of it where the kind keeps what was denied; 200 with
    ``Idempotency-Replayed`` if asked before.
    """
    found = _asking(body)
    request = parse_request(found["request"])
    signature = Signature.parse(found["signature"], field="signature")
    expect_same(key, request.idempotency_key)
    attachments, seen = _attachments(found), look(call.runtime, request)

    def work(unit: Unit, trust: InForce) -> tuple[Asked, dict[str, Any]]:
        enquiry = Enquiry(unit.session, request, signature, trust, attachments, seen, call.request_id, unit.now)
        asked = ask(enquiry)
        filed = queries.get(unit.session, digest=asked.digest)
        return asked, whole_intent(unit.session, filed, root=trust.root, now=unit.now)

    asked, view = call.trusting(work)
    headers = {"Location": f"/v1/intents/{asked.digest}", **(REPLAYED if asked.replayed else {})}
    return JSONResponse(view, status_code=200 if asked.replayed else 201, headers=headers)


@router.get("")
def waiting(
    call: AsReader, http: Request, state: str = "pending", after: After = None, limit: Limit = None
) -> Response:
    """Intents that wait for people or for the end of their delay, the earliest deadline first, a page at a time."""
    fields.one_of(state, ("pending",), field="state")
    most, begin = cursors.limit(limit), cursors.read(after, "intents", 2)
    behind = (cursors.moment(begin[0]), begin[1]) if begin else None

    def work(unit: Unit, trust: InForce) -> tuple[list[FiledIntent], list[dict[str, Any]]]:
        found = queries.under_way_page(unit.session, after=behind, limit=most + 1, now=unit.now)
        return found, whole_intents(unit.session, found[:most], trust=trust, now=unit.now)

    rows, shown = call.trusting(work)
    return JSONResponse(page(http, "intents", rows, limit=most, key=_key, shown=shown))


@router.get("/{digest}")
def one(call: AsReader, digest: str) -> Response:
    """One intent: its document, words and code, what the policy said, who has spoken."""
    name = fields.hexadecimal(digest, field="digest", length=32)

    def work(unit: Unit, trust: InForce) -> dict[str, Any]:
        filed = queries.get(unit.session, digest=name)
        return whole_intent(unit.session, filed, root=trust.root, now=unit.now)

    return JSONResponse(call.trusting(work))


@router.post("/{digest}/approvals")
def give(call: AsOperator, digest: str, body: Body) -> Response:
    """Record one person's signed verdict; the answer is where the intent stands after it: 201."""
    name = fields.hexadecimal(digest, field="digest", length=32)
    approval = Approval.parse(dict(json_object(body, "statement", "signature")))
    view = call.trusting(lambda unit, trust: _give(unit, trust, call, name, approval))
    crash_point("api.approval.given")
    return JSONResponse(view, status_code=201)


def _give(unit: Unit, trust: InForce, call: Call, digest: str, approval: Approval) -> dict[str, Any]:
    filed = operations.give(
        unit.session,
        digest=digest,
        approval=approval,
        root=trust.root,
        correlation_id=call.request_id,
        now=unit.now,
    )
    view = whole_intent(unit.session, filed, root=trust.root, now=unit.now)
    crash_point("api.approval.before_commit")
    return view


def _key(filed: FiledIntent) -> tuple[str, str]:
    return cursors.of_moment(filed.not_after), filed.digest


def _asking(body: bytes) -> Mapping[str, Any]:
    sent = any_json(body)
    more = ("attachments",) if isinstance(sent, dict) and "attachments" in sent else ()
    return fields.exact_object(sent, ("request", "signature", *more), field="body")


def _attachments(found: Mapping[str, Any]) -> Mapping[str, Any]:
    attachments = found.get("attachments", {})
    return attachments if isinstance(attachments, dict) else fields.exact_object(attachments, (), field="attachments")
