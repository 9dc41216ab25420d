"""Bad wires and bad nodes: a proxy that loses answers, and a node that answers whatever it is told to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ForgetfulProxy:
    """Passes requests on to a node's port and answers back, except that answers to ``swallow`` never arrive."""

    def __init__(self, port: int) -> None:
        self._node_port = port
        self.swallow: bytes | None = None
        self.swallowed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> ForgetfulProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for open_socket in self._open:
            open_socket.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        request = _message(client)
        with socket.create_connection(("127.0.0.1", self._node_port)) as node:
            node.sendall(request)
            answer = _message(node)
        if self.swallow is not None and self.swallow in request:
            self.swallowed.set()
            return
        client.sendall(answer)
        client.close()


def _message(source: socket.socket) -> bytes:
    """One HTTP message with a Content-Length."""
    read = b""
    while b"\r\n\r\n" not in read:
        read += _more(source)
    head, _, body = read.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    length = int(fields[b"content-length"])
    while len(body) < length:
        body += _more(source)
    return head + b"\r\n\r\n" + body


def _more(source: socket.socket) -> bytes:
    chunk = source.recv(65536)
    if not chunk:
        raise ConnectionError("the other side hung up")
    return chunk


class FakeNode:
    """Answers every call with ``answer(method, params)``: a result, or bytes sent as they are."""

    def __init__(self, answer: Callable[[str, list], object]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                first = request[0] if isinstance(request, list) else request
                body = _body(answer(first["method"], first["params"]))
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://user:password@127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeNode:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Failure(dict):
    """A JSON-RPC error a fake node answers with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code=code, message=message)


def _body(answer: object) -> bytes:
    if isinstance(answer, bytes):
        return answer
    if isinstance(answer, Failure):
        return json.dumps({"result": None, "error": answer, "id": 1}).encode()
    return json.dumps({"result": answer, "error": None, "id": 1}).encode()
