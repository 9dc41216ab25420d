"""Bundles for cosigners, and their answers. A cosigner speaks for itself only."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from custody.api.body import Body, BundleBody, any_json, json_object
from custody.api.call import AsCosigner, Call
from custody.api.problems import RoleRefused
from custody.db import Unit
from custody.evidence import fields
from custody.evidence.bundle import HandedIn, Refusal, answer_field
from custody.judging import bundles as judging
from custody.kernel.crash import crash_point
from custody.kernel.errors import InvalidInput
from custody.kernel.ids import expect_id
from custody.restore.queries import require_normal
from custody.signing import operations, queries
from custody.signing.operations import Answer
from custody.trust.operations import InForce
from custody.views.objects import answer_view
from custody.withdrawals import operations as withdrawals

router = APIRouter(prefix="/v1/bundles")


@router.get("")
def give_out(call: AsCosigner, cosigner: str) -> Response:
    """Every open bundle this cosigner has not answered; from now on each may have been signed."""
    _expect_itself(call, cosigner)
    for attempt in call.trusting(lambda unit, trust: _ungiven(unit, trust, call)):
        # Each in a unit of its own: it locks what windows count under, and holds no other bundle meanwhile.
        call.trusting(partial(_recall, call, attempt))
    bundles = call.trusting(lambda unit, trust: _give_out(unit, trust, call))
    crash_point("api.bundle.given")
    return JSONResponse({"bundles": bundles})


@router.post("/{bundle}/signatures")
def sign(call: AsCosigner, bundle: str, body: BundleBody) -> Response:
    """Take what a cosigner signed. One that does not verify is recorded, and then refused."""
    name = expect_id(bundle, "bnd", field="bundle")
    found = HandedIn.parse(any_json(body))
    _expect_itself(call, found.cosigner)
    answer = call.unit(lambda unit: _sign(unit, call, name, found))
    crash_point("api.signature.added")
    if answer.refused is not None:
        raise answer.refused
    return JSONResponse(answer_view(answer))


@router.post("/{bundle}/refusals")
def refuse(call: AsCosigner, bundle: str, body: Body) -> Response:
    """Take a cosigner's signed refusal, which it keeps to."""
    name = expect_id(bundle, "bnd", field="bundle")
    found = json_object(body, "refusal", "signature")
    refusal = Refusal.parse(found["refusal"])
    signature = fields.hexadecimal(found["signature"], field="signature")
    _expect_itself(call, refusal.cosigner)
    if refusal.bundle != name:
        raise InvalidInput("is for another bundle than the address says", field="refusal.bundle")
    answer = call.unit(
        lambda unit: operations.add_refusal(
            unit.session, refusal=refusal, signature=signature, correlation_id=call.request_id, now=unit.now
        )
    )
    return JSONResponse(answer_view(answer))


def _expect_itself(call: Call, cosigner: object) -> None:
    if cosigner != call.caller.name:
        raise RoleRefused("a cosigner speaks for itself only", field="cosigner")


def _ungiven(unit: Unit, trust: InForce, call: Call) -> list[str]:
    require_normal(unit.session)
    return queries.ungiven(unit.session, keysets=_keysets_of(call, trust))


def _recall(call: Call, attempt: str, unit: Unit, trust: InForce) -> None:
    withdrawals.recall(unit.session, attempt=attempt, trust=trust, correlation_id=call.request_id, now=unit.now)


def _keysets_of(call: Call, trust: InForce) -> list[str]:
    return [keyset.id for keyset in trust.root.keysets if keyset.cosigner(call.caller.name) is not None]


def _give_out(unit: Unit, trust: InForce, call: Call) -> list[dict[str, Any]]:
    require_normal(unit.session)
    me, mine = call.caller.name, _keysets_of(call, trust)
    bundles = judging.give_out(unit.session, cosigner=me, keysets=mine, root=trust.root, now=unit.now)
    crash_point("api.bundle.before_commit")
    return bundles


def _sign(unit: Unit, call: Call, bundle: str, found: HandedIn) -> Answer:
    chain = queries.chain_of(unit.session, bundle=bundle, cosigner=call.caller.name)
    if chain is not None and found.field != answer_field(chain):
        raise InvalidInput(f"not what this bundle asks for; accepted is {answer_field(chain)}", field=found.field)
    answer = operations.add_signature(
        unit.session,
        bundle=bundle,
        cosigner=call.caller.name,
        signed=found.signed,
        correlation_id=call.request_id,
        now=unit.now,
    )
    crash_point("api.signature.before_commit")
    return answer
