"""The port on which metrics are read: its own, closed unless a port is set, and open to one token only."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from custody.telemetry.page import CONTENT_TYPE

PATH: Final = "/metrics"
_PATIENCE_SECONDS: Final = 10


def listen(render: Callable[[], bytes], *, host: str, port: int, token: str) -> ThreadingHTTPServer:
    """Answer ``GET /metrics`` with what ``render`` makes to whoever shows ``token``, in threads of their own.

    Returns the server, which is listening. Raises ``OSError`` where the port cannot be had.
    """
    server = ThreadingHTTPServer((host, port), _handler(render, hashlib.sha256(token.encode()).digest()))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def _handler(render: Callable[[], bytes], wanted: bytes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        timeout = _PATIENCE_SECONDS
        server_version, sys_version = "custody", ""

        def do_GET(self) -> None:
            """The page, or why not."""
            scheme, _, given = self.headers.get("Authorization", "").partition(" ")
            shown = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
            if scheme.lower() != "bearer" or not hmac.compare_digest(shown, wanted):
                self._answer(401, b"accepted is Authorization: Bearer and the token of CUSTODY_METRICS_TOKEN\n")
            elif self.path != PATH:
                self._answer(404, b"metrics are at /metrics\n")
            else:
                self._answer(200, render())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            if status == 401:
                self.send_header("WWW-Authenticate", "Bearer")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_said: object) -> None:
            """Nothing: being read every few seconds is no news."""

    return Handler
