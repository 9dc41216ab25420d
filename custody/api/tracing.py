"""One request id from the caller's header, or ours, on every answer and in every log line of the call."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from custody.kernel.ids import new_id

HEADER: Final = "Request-Id"
_ACCEPTED: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

log = structlog.get_logger("custody.api")


class RequestIds:
    """The outermost layer: also answers made for unknown routes and broken code carry the id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on with its id, and log how it ended. The query is left out: it may name clients."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, began, status = _request_id(Headers(scope=scope)), time.monotonic(), 500
        scope.setdefault("state", {})["request_id"] = request_id
        # A pipelined call begins in the context of the one before it.
        structlog.contextvars.unbind_contextvars("caller")
        structlog.contextvars.bind_contextvars(correlation_id=request_id)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                headers.update(scope["state"].get("limit_headers", {}))
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            took = int((time.monotonic() - began) * 1000)
            log.info("answered", method=scope["method"], path=scope["path"], status=status, milliseconds=took)


def _request_id(headers: Headers) -> str:
    given = headers.get(HEADER, "")
    return given if _ACCEPTED.fullmatch(given) else new_id("req", datetime.now(UTC))
