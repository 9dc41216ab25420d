"""The stream that tells open pages when to look again."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from custody.api.console.door import AsWatcher
from custody.api.holding import HeldStream

router = APIRouter(prefix="/console")


@router.get("/live")
def live(request: Request, visit: AsWatcher) -> Response:
    """An event stream for who is signed in; to watch is to do nothing, so it keeps nobody signed in.

    Each person has so many and no more.
    """
    headers = {"X-Accel-Buffering": "no"}
    state = request.app.state
    return HeldStream(state.bells.stream(), held=state.streams, whose=visit.operator, headers=headers)
