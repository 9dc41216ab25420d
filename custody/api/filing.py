"""The answer to who asked for a job."""

from __future__ import annotations

from starlette.responses import JSONResponse

from custody.api.idempotency import REPLAYED
from custody.jobs.operations import Filed
from custody.views.jobs import job_view


def filed(found: Filed) -> JSONResponse:
    """202 and where to see how far it is; 200 if it was asked for before under the same key."""
    headers = {"Location": f"/v1/jobs/{found.job.id}", **(REPLAYED if found.replayed else {})}
    return JSONResponse(job_view(found.job), status_code=200 if found.replayed else 202, headers=headers)
