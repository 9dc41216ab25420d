"""The queue for programs: the same places and rows as on the console."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from custody.api.auth import Role
from custody.api.call import AsReader, Call
from custody.api.paging import After, Limit, address
from custody.approvals.askings import askings_among
from custody.db import Unit
from custody.evidence import fields
from custody.trust.operations import InForce
from custody.views.queue import NEEDS_OTHERS, Asked, Page, counts, queue

router = APIRouter(prefix="/v1/queue")


@router.get("")
def waiting(
    call: AsReader,
    request: Request,
    place: str = NEEDS_OTHERS,
    client: str | None = None,
    after: After = None,
    limit: Limit = None,
) -> Response:
    """One place of the queue, a page at a time, and how many rows each place has.

    ``place`` is ``needs_me`` (of an operator), ``needs_others``, ``needs_keys``, ``on_chain`` or ``stuck``.
    """
    whose = "" if client is None else fields.name(client, field="client")

    def work(unit: Unit, trust: InForce) -> tuple[Page, dict[str, object]]:
        asked = _asked(call, unit, trust, whose)
        page = queue(unit.session, asked, place=place, after=after, limit=limit)
        return page, dict(counts(unit.session, asked))

    page, found = call.trusting(work)
    return JSONResponse({"rows": page.rows, "counts": found, "next": address(request, page.next)})


def _asked(call: Call, unit: Unit, trust: InForce, client: str) -> Asked:
    operator = call.caller.name if call.caller.role == Role.OPERATOR else ""
    return Asked(trust, operator, call.runtime.deadlines, askings_among(unit.session), unit.now, client)
