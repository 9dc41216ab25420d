"""A wire to the node that is slow for some requests, and counts them."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter

from tests.chains.bitcoin.wire import _message


class SlowProxy:
    """Passes requests on to a node's port; the answer to a ``slow`` one takes ``seconds``."""

    def __init__(self, port: int, *, slow: bytes, seconds: float) -> None:
        self._node_port, self._slow, self._seconds = port, slow, seconds
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._now = 0
        self.most_at_once = 0
        """How many slow requests were under way at the same time, at most."""
        self.asked: Counter[bytes] = Counter()
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> SlowProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._node_port)) as node:
            request = _message(client)
            is_slow = self._slow in request
            if is_slow:
                self._count(1)
            node.sendall(request)
            answer = _message(node)
            if is_slow:
                time.sleep(self._seconds)
                self._count(-1)
            try:
                client.sendall(answer)
            except OSError:
                return

    def _count(self, change: int) -> None:
        with self._lock:
            self._now += change
            self.most_at_once = max(self.most_at_once, self._now)
            self.asked[self._slow] += change > 0
