"""Giving a withdrawal up after a signature may exist: a signed request of its own, which policy and people decide."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from custody.api.body import Body, json_object
from custody.api.call import AsRequesterOrOperator
from custody.api.idempotency import REPLAYED, Key, expect_same
from custody.evidence.requests import RespendRequest
from custody.evidence.signatures import Signature
from custody.evidence.words import digest_code
from custody.withdrawals import operations
from custody.withdrawals.operations import RespendRequested

router = APIRouter(prefix="/v1/respends")


@router.post("")
def request(call: AsRequesterOrOperator, body: Body, key: Key = None) -> Response:
    """Ask to give a withdrawal up: 201, also where policy denies it; 200 with ``Idempotency-Replayed`` if asked before.

    Nothing stops before people have agreed as the policy asks: what is asked for is an intent like any other.
    """
    found = json_object(body, "request", "signature")
    asked = RespendRequest.parse(found["request"])
    signature = Signature.parse(found["signature"], field="signature")
    expect_same(key, asked.idempotency_key)
    done = call.trusting(
        lambda unit, trust: operations.request_respend(
            unit.session,
            request=asked,
            signature=signature,
            trust=trust,
            correlation_id=call.request_id,
            now=unit.now,
        )
    )
    headers = {"Location": f"/v1/intents/{done.intent.digest}", **(REPLAYED if done.replayed else {})}
    return JSONResponse(_view(done), status_code=200 if done.replayed else 201, headers=headers)


def _view(done: RespendRequested) -> dict[str, Any]:
    return {
        "withdrawal": done.withdrawal.id,
        "status": done.withdrawal.state.value,
        "intent_digest": done.intent.digest,
        "digest_code": digest_code(done.intent.digest),
        "intent_state": done.intent.state,
    }
