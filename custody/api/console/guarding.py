"""What a browser is told about everything under ``/console``: what it may load, keep, and be shown inside of.

Of everything else it is told to keep nothing: whatever stands between a program and the house would show one what is
another's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self)",
    # Not no-referrer: a form would then be sent with the origin "null", which is nobody's.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
ELSEWHERE: Final = {name: HEADERS[name] for name in ("Cache-Control", "X-Content-Type-Options")}


def headers_of(path: str) -> Mapping[str, str]:
    """The headers of every answer at this path of the house."""
    return HEADERS if path.startswith("/console") else ELSEWHERE


class Guarded:
    """Every answer has the headers of its path: pages, errors, what scripts fetch, and what nobody thought of.

    A route that says one of them itself is left with its own. What broke is answered outside of this layer, and gets
    them there (``custody.api.console.trouble``).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in headers_of(scope["path"]).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_guarded if scope["type"] == "http" else send)
