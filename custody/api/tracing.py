"""One request id from the caller's header, or ours, on every answer, in every log line and span of the call."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from custody.api import leaving, versions
from custody.kernel.ids import new_id
from custody.telemetry.tracing import span

HEADER: Final = "Request-Id"
_ACCEPTED: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

Told = Callable[[str, int, float], None]
"""Hears of each answer: its path, its status, and how many seconds it took."""

log = structlog.get_logger("custody.api")


class RequestIds:
    """The outermost layer: also answers made for unknown routes and broken code carry the id."""

    def __init__(self, app: ASGIApp, told: Told | None = None) -> None:
        self._app = app
        self._told = told

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
                headers.update(versions.answered(scope["path"]) | scope["state"].get("limit_headers", {}))
                headers.update(leaving.said_of(scope["method"], _template(scope)))
            await send(message)

        try:
            method = scope["method"]
            with span(method, kind="server", correlation_id=request_id, **{"http.request.method": method}) as told:
                try:
                    await self._app(scope, receive, send_with_id)
                finally:
                    route = _template(scope)
                    told.rename(f"{method} {route}")
                    told.say("http.route", route)
                    told.say("http.response.status_code", status)
        finally:
            seconds = time.monotonic() - began
            took = int(seconds * 1000)
            if self._told is not None:
                self._told(scope["path"], status, seconds)
            log.info("answered", method=scope["method"], path=scope["path"], status=status, milliseconds=took)


def _template(scope: Scope) -> str:
    """The route as it is declared: what stands in the path itself may be a client's name."""
    return str(getattr(scope.get("route"), "path", "unknown"))


def _request_id(headers: Headers) -> str:
    given = headers.get(HEADER, "")
    return given if _ACCEPTED.fullmatch(given) else new_id("req", datetime.now(UTC))
