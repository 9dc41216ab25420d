"""The rules as programs outside check them: every version of the trust root, what was taken back, what waits."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from custody.api.body import AskingBody, any_json
from custody.api.call import AsOutside, AsServiceOrOperator, Call
from custody.approvals import queries as intents
from custody.db import Unit
from custody.evidence.announcement import Announcement, Waiting
from custody.evidence.requests import FreezeRequest, UnfreezeRequest
from custody.evidence.status import SignedStatus
from custody.trust import status as statuses
from custody.trust.operations import InForce

router = APIRouter()


@router.post("/v1/status")
def take(call: AsServiceOrOperator, body: AskingBody) -> Response:
    """Take a status statement: 201. One that is no newer than the one before it is refused."""
    signed = SignedStatus.parse(any_json(body))
    status = call.trusting(lambda unit, trust: _take(unit, trust, call, signed))
    return JSONResponse({"service": signed.service, "number": status.number}, status_code=201)


@router.get("/v1/announcements")
def announcements(call: AsOutside) -> Response:
    """What waits for the end of a delay or for people, with the rules it is judged by.

    A cosigner counts a delay from when it first saw an intent: so it sees it before there is a bundle.
    """
    return JSONResponse(call.trusting(_announced).to_json())


@router.get("/v1/retractions")
def retractions(call: AsOutside) -> Response:
    """What this house knows to have been taken back. A status service adds it to what it was told itself."""
    return JSONResponse(call.unit(lambda unit: _taken_back(unit)))


def _take(unit: Unit, trust: InForce, call: Call, signed: SignedStatus) -> Any:
    return statuses.take(unit.session, signed=signed, root=trust.root, actor=call.caller.name, now=unit.now)


def _announced(unit: Unit, trust: InForce) -> Announcement:
    return Announcement(
        policy=trust.policy_text,
        trust_root=trust.signed,
        succession=trust.links,
        status=statuses.newest(unit.session),
        intents=tuple(
            Waiting(filed.intent, filed.request_signature) for filed in intents.delayed(unit.session, now=unit.now)
        ),
    )


def _taken_back(unit: Unit) -> dict[str, Any]:
    stops = intents.agreed(unit.session, kinds=(FreezeRequest.kind, UnfreezeRequest.kind))
    return {
        "withdrawn": intents.withdrawn(unit.session, now=unit.now),
        "documents": [intents.proven(unit.session, digest=digest).to_json() for digest in stops],
    }
