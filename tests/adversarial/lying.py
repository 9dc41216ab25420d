"""A wire to the real node on which one answer is a lie, and a thief with every right in the database."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, text

from tests.chains.bitcoin.wire import ForgetfulProxy, _message
from tests.support.servers import FreshDatabase


class LyingProxy(ForgetfulProxy):
    """Passes everything on, but for what the node says about fees while ``estimating``."""

    _estimate: str | None = None
    lied = 0
    """How often somebody was told the present lie."""

    @contextmanager
    def estimating(self, feerate: str) -> Iterator[None]:
        """For a while this JSON text, in BTC per 1000 virtual bytes, is the node's estimate."""
        self._estimate, self.lied = feerate, 0
        try:
            yield
        finally:
            self._estimate = None

    def _serve(self, client: socket.socket) -> None:
        request = _message(client)
        if self._estimate is not None and b'"estimatesmartfee"' in request:
            self.lied += 1
            body = f'{{"result": {{"feerate": {self._estimate}, "blocks": 2}}, "error": null, "id": 1}}'.encode()
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        else:
            with socket.create_connection(("127.0.0.1", self._node_port)) as node:
                node.sendall(request)
                client.sendall(_message(node))
        client.close()


@contextmanager
def thief(database: FreshDatabase) -> Iterator[Connection]:
    """A connection that may do anything, triggers off; committed on leaving."""
    engine = create_engine(database.superuser_url)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield connection
    engine.dispose()
