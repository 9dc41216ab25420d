"""The stream that tells open pages when to look again."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from custody.api.console.door import HEADERS, AsWatcher

router = APIRouter(prefix="/console")


@router.get("/live")
def live(request: Request, _visit: AsWatcher) -> Response:
    """An event stream for who is signed in; to watch is to do nothing, so it keeps nobody signed in."""
    headers = HEADERS | {"X-Accel-Buffering": "no"}
    return StreamingResponse(request.app.state.bells.stream(), media_type="text/event-stream", headers=headers)
