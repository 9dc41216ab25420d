"""Which chain of parcels a thread sends next: no endpoint has all the threads, and those that fail have half of them.

An endpoint that answers nothing holds each thread until the time limit. Its backlog waits for it, and nobody else does.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from custody.webhooks.model import Parcel


@dataclass(frozen=True, slots=True)
class Chain:
    """Parcels of one object at one endpoint, which leave one after the other while their lease lasts."""

    parcels: Sequence[Parcel]
    until: float

    @property
    def endpoint(self) -> str:
        """Where they go."""
        return self.parcels[0].endpoint

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt there was not taken."""
        return self.parcels[0].is_failing


class Lanes:
    """What waits for a thread, endpoint by endpoint. Safe to share between threads."""

    def __init__(self, threads: int) -> None:
        self._most, self._most_failing = max(1, threads * 3 // 4), max(1, threads // 2)
        self._waiting: OrderedDict[str, deque[Chain]] = OrderedDict()
        self._busy: Counter[str] = Counter()
        self._failing = 0
        self._is_closed = False
        self._news = threading.Condition()

    def put(self, chain: Chain) -> None:
        """Hand over what is to be sent."""
        with self._news:
            self._waiting.setdefault(chain.endpoint, deque()).append(chain)
            self._news.notify()

    def take(self) -> Chain | None:
        """The next one, endpoints in turn; waits for one. None when it was closed and nothing is left."""
        with self._news:
            while (chain := self._next()) is None:
                if self._is_closed and not self._waiting:
                    return None
                self._news.wait()
            self._busy[chain.endpoint] += 1
            self._failing += chain.is_failing
            return chain

    def done(self, chain: Chain) -> None:
        """A thread is through with it: what waited behind its endpoint's share may follow."""
        with self._news:
            self._busy[chain.endpoint] -= 1
            self._failing -= chain.is_failing
            self._news.notify_all()

    def close(self) -> None:
        """Nothing more comes. What waits is handed out still."""
        with self._news:
            self._is_closed = True
            self._news.notify_all()

    def _next(self) -> Chain | None:
        for endpoint, chains in self._waiting.items():
            if self._busy[endpoint] < self._most and not (chains[0].is_failing and self._failing >= self._most_failing):
                chain = chains.popleft()
                self._waiting.move_to_end(endpoint)
                if not chains:
                    del self._waiting[endpoint]
                return chain
        return None
