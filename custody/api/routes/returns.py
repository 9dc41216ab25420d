"""Sending on what came astray: a signed request, which policy and people decide, and what became of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from custody.api.body import Body, json_object
from custody.api.call import AsReader, AsRequesterOrOperator
from custody.api.idempotency import REPLAYED, Key, expect_same
from custody.evidence.requests import StrayReturnRequest
from custody.evidence.signatures import Signature
from custody.evidence.words import digest_code
from custody.returns import operations, queries
from custody.returns.operations import Asked

router = APIRouter(prefix="/v1/returns")


@router.get("")
def listing(call: AsReader) -> dict[str, Any]:
    """Every return, oldest first, with how far it is."""
    return {"returns": call.unit(lambda unit: [item.to_json() for item in queries.every(unit.session)])}


@router.post("")
def request(call: AsRequesterOrOperator, body: Body, key: Key = None) -> Response:
    """Ask to send a stray on: 201, also where policy denies it; 200 with ``Idempotency-Replayed`` if asked before."""
    found = json_object(body, "request", "signature")
    asked = StrayReturnRequest.parse(found["request"])
    signature = Signature.parse(found["signature"], field="signature")
    expect_same(key, asked.idempotency_key)
    done = call.trusting(
        lambda unit, trust: operations.request(
            unit.session, request=asked, signature=signature, trust=trust, now=unit.now
        )
    )
    headers = {"Location": f"/v1/intents/{done.intent.digest}", **(REPLAYED if done.replayed else {})}
    return JSONResponse(_view(done), status_code=200 if done.replayed else 201, headers=headers)


def _view(done: Asked) -> dict[str, Any]:
    return {
        **done.found.to_json(),
        "digest_code": digest_code(done.intent.digest),
        "intent_state": done.intent.state,
    }
