"""A node's newest block as a doorbell: asked for every second, it rings when it is another one.

JSON-RPC over HTTP has no notices, and this needs no second kind of connection; what is there is read by the scan.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from custody.chains.ethereum.rpc import Rpc
from custody.chains.port import NodeRefused, NodeUnavailable

_LOOK_SECONDS: Final = 1.0
_STEP_SECONDS: Final = 0.2


def listen(url: str, *, on_ring: Callable[[], None], stop: Callable[[], bool], every_seconds: int) -> None:
    """Call ``on_ring`` at once, when the newest block changes, and after ``every_seconds``, until ``stop()``.

    ``url`` is the node's own address. A node that is away only makes it silent: the regular calls go on.
    """
    rpc = Rpc(url, timeout_seconds=_LOOK_SECONDS)
    while not stop():
        seen = _newest(rpc)
        on_ring()
        _await_change(rpc, seen, stop, time.monotonic() + every_seconds)


def _await_change(rpc: Rpc, seen: Any, stop: Callable[[], bool], deadline: float) -> None:
    look = time.monotonic() + _LOOK_SECONDS
    while not stop() and time.monotonic() < deadline:
        time.sleep(_STEP_SECONDS)
        if time.monotonic() >= look:
            if _newest(rpc) not in (seen, None):
                return
            look = time.monotonic() + _LOOK_SECONDS


def _newest(rpc: Rpc) -> Any:
    try:
        answer = rpc.call("eth_getBlockByNumber", "latest", False)
    except (NodeUnavailable, NodeRefused):
        return None
    return answer.get("hash") if isinstance(answer, dict) else None
