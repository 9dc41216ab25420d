"""Whether it is up, and whether it can do its work: for whoever keeps it running. Neither needs a token."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from custody.telemetry.ready import Readiness, Ready

router = APIRouter()


@router.get("/healthz")
def health() -> Response:
    """200 while the process answers at all: otherwise start it again. It asks nobody else."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
def ready(request: Request) -> Response:
    """200 where a request could be taken, 503 otherwise; ``parts`` says what else is late or down.

    With ``?whole=true`` it is 503 as soon as any part is not well.
    """
    found = _look(request)
    whole = request.query_params.get("whole") == "true"
    good = found.is_whole if whole else found.can_serve
    body = {"status": found.word, "parts": dict(found.parts)}
    return JSONResponse(body, status_code=200 if good else 503, headers={} if good else {"Retry-After": "2"})


def _look(request: Request) -> Readiness:
    asked: Ready = request.app.state.ready
    return asked.look()
