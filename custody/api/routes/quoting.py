"""Before a withdrawal: what it would cost on its chain, and what would become of it. Neither writes anything."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from custody.api.asking import look_at_destination
from custody.api.body import Body, any_json, json_object
from custody.api.call import AsRequesterOrOperator, Call
from custody.chains.spending import Candidates
from custody.db import Unit
from custody.evidence import fields
from custody.evidence.check import check_request
from custody.evidence.requests import WithdrawalRequest
from custody.evidence.signatures import Signature
from custody.kernel.clock import rfc3339
from custody.trust.assets import known_assets
from custody.trust.operations import InForce
from custody.views.objects import asset_view, money
from custody.views.prospects import prospect
from custody.withdrawals import operations

router = APIRouter(prefix="/v1/withdrawals")

GOOD_FOR: Final = timedelta(seconds=60)
"""How long an estimate is worth anything: fees move with the blocks."""


@router.post("/evaluate")
def evaluate(call: AsRequesterOrOperator, body: Body) -> Response:
    """What the policy would say of a withdrawal now, signed or not; nothing is written, held or counted."""
    asked, signature = _asked(body)
    seen = look_at_destination(call.runtime, asked)

    def work(unit: Unit, trust: InForce) -> dict[str, Any]:
        if signature is not None:
            check_request(asked, signature, root=trust.root, now=unit.now)
        judged = operations.judge(unit.session, request=asked, trust=trust, now=unit.now, code=seen.get("code"))
        return prospect(unit.session, judged, request=asked, trust=trust, is_signed=signature is not None)

    return JSONResponse(call.trusting(work))


@router.post("/quote")
def quote(call: AsRequesterOrOperator, body: Body) -> Response:
    """What the network fee of a withdrawal would be now, out of the coins there are; nothing is reserved.

    Where somebody else carries payments, ``fee`` is what that costs, from above: the vault bears none of it.
    ``borne_by`` is the client all the same where the house bills it.
    """
    asked, _ = _asked(body)
    candidates, assets, now = call.trusting(lambda unit, trust: _candidates(unit, trust, call, asked))
    # The node is asked after the unit has ended.
    served = call.runtime.of(candidates.order.chain)
    own = assets.native(served.chain)
    fee = served.node.cost_units(served.node.plan(candidates, rules=served.spend_rules))
    return JSONResponse(
        {
            "client": asked.client,
            "asset": asset_view(assets.of(asked.asset)),
            "amount": money(asked.amount, assets.of(asked.asset)),
            "destination": asked.destination,
            "fee": money(fee, own),
            "fee_asset": own.code,
            "borne_by": "client" if served.client_bears_fees else "house",
            "max_fee": money(asked.max_fee, own),
            "within_max_fee": fee <= asked.max_fee,
            "quoted_at": rfc3339(now),
            "valid_until": rfc3339(now + GOOD_FOR),
        }
    )


def _candidates(unit: Unit, trust: InForce, call: Call, asked: WithdrawalRequest) -> tuple[Candidates, Any, Any]:
    judged = operations.judge(unit.session, request=asked, trust=trust, now=unit.now)
    rules = call.runtime.of(judged.intent.chain).spend_rules
    return operations.prospective(unit.session, judged, rules=rules), known_assets(unit.session), unit.now


def _asked(body: bytes) -> tuple[WithdrawalRequest, Signature | None]:
    """``{request}`` or ``{request, signature}``. Raises ``InvalidInput``."""
    sent = any_json(body)
    if isinstance(sent, dict) and "signature" not in sent:
        return WithdrawalRequest.parse(json_object(body, "request")["request"]), None
    found = fields.exact_object(sent, ("request", "signature"), field="body")
    return WithdrawalRequest.parse(found["request"]), Signature.parse(found["signature"], field="signature")
