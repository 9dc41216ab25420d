"""A door to an Ethereum node that offers no traces, as many providers' nodes do not: everything else passes."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.chains.ethereum.conftest import NO_TRACES


@contextmanager
def without_traces(url: str) -> Iterator[str]:
    """The address of such a door to the node at ``url``."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = [_answer(each, url) for each in asked] if isinstance(asked, list) else _answer(asked, url)
            body = json.dumps(answer).encode()
            with suppress(BrokenPipeError, ConnectionResetError):  # who asked may have been killed
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(asked: dict[str, Any], url: str) -> Any:
    if asked["method"] in NO_TRACES:
        return {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "no such method"}}
    request = urllib.request.Request(url, json.dumps(asked).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())
