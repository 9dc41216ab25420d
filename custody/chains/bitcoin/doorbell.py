"""A node's ZMQ notices as a doorbell: they say that it may be worth looking, never what is there.

Notices get lost, come twice and can be forged by whoever holds the port; so their content is not read.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import zmq

_TOPICS: Final = (b"hashblock", b"sequence")
_POLL_MS: Final = 200
_LONGEST_DRAIN_SECONDS: Final = 1


def listen(
    url: str, *, on_ring: Callable[[], None], stop: Callable[[], bool], every_seconds: int, settle_ms: int = 50
) -> None:
    """Call ``on_ring`` at once, when the node rings, and after ``every_seconds`` of silence, until ``stop()``.

    ``url`` is where the node publishes ``hashblock`` and ``sequence``. Rings within ``settle_ms`` are one. A node
    that is away only makes it silent: the regular calls go on.
    """
    context: Any = zmq.Context()
    socket: Any = context.socket(zmq.SUB)
    try:
        for topic in _TOPICS:
            socket.setsockopt(zmq.SUBSCRIBE, topic)
        socket.connect(url)
        while not stop():
            on_ring()
            _await_ring(socket, stop, every_seconds, settle_ms)
    finally:
        socket.close(linger=0)
        context.term()


def _await_ring(socket: Any, stop: Callable[[], bool], every_seconds: int, settle_ms: int) -> None:
    deadline = time.monotonic() + every_seconds
    while not stop() and time.monotonic() < deadline:
        if socket.poll(_POLL_MS):
            _drain(socket, settle_ms)
            return


def _drain(socket: Any, settle_ms: int) -> None:
    deadline = time.monotonic() + _LONGEST_DRAIN_SECONDS
    while socket.poll(settle_ms) and time.monotonic() < deadline:
        socket.recv_multipart()
