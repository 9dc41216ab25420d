"""Asking every node at once where it stands, for no longer than a moment. Never called inside a unit."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final

from custody.chains.port import ChainNode
from custody.kernel.errors import CustodyError

PATIENCE_SECONDS: Final = 3
"""Less than whoever scrapes us waits; a node that needs longer counts as silent."""

FRESH_SECONDS: Final = 2
"""Strangers may ask whether we are ready: they do not reach a node more often than this."""


@dataclass(frozen=True, slots=True)
class NodeStanding:
    """``height`` is None where the node is silent, still reading blocks, or on another network than ours."""

    height: int | None
    why: str
    """Empty where it is well."""


class Nodes:
    """Every node of this process, by its chain's CAIP-2 id. What they said is good for ``FRESH_SECONDS``."""

    def __init__(self, nodes: Mapping[str, ChainNode], *, patience_seconds: int = PATIENCE_SECONDS) -> None:
        self._nodes = nodes
        self._patience = patience_seconds
        self._pool = ThreadPoolExecutor(max_workers=2 * len(nodes), thread_name_prefix="node")
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._said: dict[str, NodeStanding] = {}

    def standings(self) -> dict[str, NodeStanding]:
        """Where each stands. Raises nothing: a node that fails is told as silent."""
        with self._lock:
            if self._asked_at is None or time.monotonic() - self._asked_at > FRESH_SECONDS:
                self._said = self._ask()
                self._asked_at = time.monotonic()
            return self._said

    def _ask(self) -> dict[str, NodeStanding]:
        asked = {chain: self._pool.submit(_standing, node) for chain, node in self._nodes.items()}
        wait(asked.values(), timeout=self._patience)
        late = NodeStanding(None, f"did not answer within {self._patience} s")
        return {chain: answer.result() if answer.done() else late for chain, answer in asked.items()}


def _standing(node: ChainNode) -> NodeStanding:
    try:
        found = node.status()
    except CustodyError as error:
        return NodeStanding(None, error.message)
    if not found.genesis_ok:
        return NodeStanding(None, "is on another network than ours")
    if not found.synced:
        return NodeStanding(None, "is still reading blocks")
    return NodeStanding(found.height, "")
