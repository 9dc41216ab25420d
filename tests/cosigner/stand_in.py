"""A small stand-in for the daemon's API, on loopback: honest, or in an attacker's hands."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Daemon:
    """A small stand-in for the API, on loopback, that speaks as agreed."""

    bundles: list[Any] = field(default_factory=list)
    announced: dict[str, Any] = field(default_factory=dict)
    taken: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    status: int = 200
    refuses_posts: bool = False
    says: str | None = None
    url: str = ""


@contextmanager
def standing_in() -> Iterator[Daemon]:
    """One, running."""
    state = Daemon()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append((self.path, self.headers.get("Authorization", "")))
            announced = self.path.startswith("/v1/announcements") and state.announced
            self._say(state.announced if announced else {"bundles": state.bundles})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.taken.append((self.path, json.loads(body)))
            self._say({})

        def _say(self, value: dict[str, Any]) -> None:
            content = (state.says or json.dumps(value)).encode()
            refused = state.refuses_posts and self.command == "POST"
            self.send_response(409 if refused else state.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
