"""Jobs: how far one is, and what it gave so far."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from custody.api.call import AsReader
from custody.api.paging import After, Limit, page
from custody.db import Unit
from custody.jobs import queries
from custody.kernel.ids import expect_id
from custody.views import cursors
from custody.views.jobs import given, job_view

router = APIRouter(prefix="/v1/jobs")


@router.get("/{job}")
def one(call: AsReader, request: Request, job: str, after: After = None, limit: Limit = None) -> Response:
    """One job, with the addresses it handed out, a page at a time."""
    name = expect_id(job, "job", field="job")
    most, begin = cursors.limit(limit), cursors.read(after, "addresses")
    behind = cursors.number(begin[0]) if begin else -1

    def work(unit: Unit) -> tuple[dict[str, Any], list[tuple[int, dict[str, Any]]]]:
        found = queries.get(unit.session, job=name)
        key = call.runtime.seal_key
        return job_view(found), given(unit.session, found, seal_key=key, after=behind, limit=most + 1)

    view, rows = call.unit(work)
    shown = [address for _, address in rows[:most]]
    listed = page(request, "addresses", rows, limit=most, key=lambda row: (str(row[0]),), shown=shown)
    return JSONResponse(view | listed)
