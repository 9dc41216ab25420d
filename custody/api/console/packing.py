"""Pages go out compressed where the browser takes them so: a full queue is a tenth of its bytes.

What the length of a compressed page could tell a listener is about what else is in it (BREACH). No page here holds a
lasting secret: a challenge is of one page and one use, a webhook's secret is in the answer to a form, which is not
compressed, and another site's page cannot fetch ours as somebody, because the cookie is ``SameSite=Strict``.
"""

from __future__ import annotations

from typing import Final

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_WORTH_IT_BYTES: Final = 1_000
_LEVEL: Final = 4


class Packed:
    """What the console answers to GET is compressed, but for the stream that live pages listen to; nothing else is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # It leaves text/event-stream as it is.
        self._packing = GZipMiddleware(app, minimum_size=_WORTH_IT_BYTES, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on."""
        is_page = scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith("/console")
        await (self._packing if is_page else self._app)(scope, receive, send)
