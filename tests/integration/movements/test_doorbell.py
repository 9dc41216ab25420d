"""The doorbell rings for a block, and goes on without a node."""

from __future__ import annotations

import threading
import time

from custody.chains.bitcoin.doorbell import listen
from demo.child import free_port
from demo.servers import Bitcoind


class Bell:
    def __init__(self, url: str, every_seconds: int) -> None:
        self.rings = 0
        self.ended = False
        self._thread = threading.Thread(
            target=listen,
            args=(url,),
            kwargs={"on_ring": self._ring, "stop": lambda: self.ended, "every_seconds": every_seconds},
        )
        self._thread.start()

    def _ring(self) -> None:
        self.rings += 1

    def reaches(self, rings: int, *, within_seconds: float = 20) -> bool:
        deadline = time.monotonic() + within_seconds
        while self.rings < rings and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.rings >= rings

    def end(self) -> None:
        self.ended = True
        self._thread.join(timeout=20)
        assert not self._thread.is_alive()


def test_rings_for_a_new_block(bitcoind: Bitcoind) -> None:
    bell = Bell(bitcoind.zmq_url, every_seconds=600)
    try:
        deadline = time.monotonic() + 20
        while bell.rings < 2 and time.monotonic() < deadline:
            bitcoind.mine()
        assert bell.rings >= 2
    finally:
        bell.end()


def test_rings_regularly_where_there_is_no_node() -> None:
    bell = Bell(f"tcp://127.0.0.1:{free_port()}", every_seconds=1)
    try:
        assert bell.reaches(3)
    finally:
        bell.end()
