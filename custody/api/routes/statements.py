"""What pinned services state: prices and screenings come in, and what they amount to can be read."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from custody.api.body import Body, json_object
from custody.api.call import AsReader, AsService
from custody.chains.registry import addressing
from custody.db import Unit
from custody.evidence.statements import Price, SignedStatement
from custody.kernel.errors import InvalidInput
from custody.prices import operations as prices
from custody.prices import queries as quotes
from custody.screenings import operations as screenings
from custody.trust.operations import InForce

router = APIRouter(prefix="/v1")


@router.post("/statements")
def take(call: AsService, body: Body) -> Response:
    """Keep one signed price or screening: 201, or 200 where the very same one was kept before."""
    signed = SignedStatement.parse(dict(json_object(body, "statement", "service", "signature")))
    is_new = call.trusting(lambda unit, trust: _record(unit, trust, signed))
    return JSONResponse({"message": signed.message.hex(), "new": is_new}, status_code=201 if is_new else 200)


@router.get("/prices")
def every(call: AsReader) -> Response:
    """What each registered asset is worth in millionths of a US dollar, and how far that can be trusted."""
    return JSONResponse({"prices": call.trusting(_quotes)})


def _record(unit: Unit, trust: InForce, signed: SignedStatement) -> bool:
    said = signed.statement
    if isinstance(said, Price):
        return prices.record(unit.session, signed=signed, root=trust.root, now=unit.now)
    where = addressing(said.chain)
    canonical = where.read_destination(said.destination, field="statement.destination").address
    if canonical != said.destination:
        raise InvalidInput(f"not in canonical form; accepted is {canonical}", field="statement.destination")
    return screenings.record(unit.session, signed=signed, root=trust.root, now=unit.now)


def _quotes(unit: Unit, trust: InForce) -> list[dict[str, Any]]:
    found = []
    for asset in trust.root.assets:
        price = quotes.quote(unit.session, asset=asset.id, root=trust.root, now=unit.now)
        found.append({"asset": asset.id, "code": asset.code, **price.to_json()})
    return found
