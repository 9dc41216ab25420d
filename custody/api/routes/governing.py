"""What people stopped, resolved and listed; and the word of a second operator on a destination that looks like another.

All of it is asked for as intents are (``POST /v1/intents``).
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from custody.api.body import Body, json_object
from custody.api.call import AsOperator, AsReader
from custody.db import Unit
from custody.evidence import fields
from custody.evidence.lookalikes import Confirmation
from custody.evidence.signatures import Signature
from custody.kernel.errors import InvalidInput
from custody.listings import operations as listing
from custody.listings import queries as listings
from custody.reconciliation import queries as breaks
from custody.stops import queries as stops
from custody.trust.operations import InForce

router = APIRouter()


@router.get("/v1/freezes")
def frozen(call: AsReader) -> Response:
    """What is stopped now, as a status statement names it, and every reason why, oldest first."""

    def work(unit: Unit) -> dict[str, Any]:
        found = [stop.to_json() for stop in stops.standing(unit.session)]
        return {"frozen": list(stops.names(unit.session)), "freezes": found}

    return JSONResponse(call.unit(work))


@router.get("/v1/breaks")
def found(call: AsReader, state: str = "open") -> Response:
    """Breaks that are open, or all there ever were, oldest first."""
    fields.one_of(state, ("open", "all"), field="state")
    read = breaks.open_breaks if state == "open" else breaks.every_break
    return JSONResponse({"breaks": call.unit(lambda unit: [each.to_json() for each in read(unit.session)])})


@router.get("/v1/listings")
def listed(call: AsReader, client: str | None = None) -> Response:
    """Lists of destinations, of one client where asked, and what is held because it looks like a known one."""
    whose = None if client is None else fields.name(client, field="client")

    def work(unit: Unit) -> dict[str, Any]:
        found = [each.to_json(unit.now) for each in listings.every(unit.session, client=whose)]
        return {"listings": found, "held": [check.to_json() for check in listings.held(unit.session)]}

    return JSONResponse(call.unit(work))


@router.post("/v1/listings/{digest}/confirmation")
def confirm(call: AsOperator, digest: str, body: Body) -> Response:
    """Take a second operator's word that a held destination was read out in full: 201."""
    name = fields.hexadecimal(digest, field="digest", length=32)
    sent = json_object(body, "confirmation", "signature")
    word = Confirmation.parse(sent["confirmation"])
    signature = Signature.parse(sent["signature"], field="signature")
    if word.digest != name:
        raise InvalidInput("is of another listing than the address says", field="confirmation.digest")

    def work(unit: Unit, trust: InForce) -> str:
        return listing.confirm(unit.session, confirmation=word, signature=signature, trust=trust, now=unit.now)

    return JSONResponse({"digest": name, "state": call.trusting(work)}, status_code=201)
