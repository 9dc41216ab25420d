"""Which chain of parcels a thread sends next, so that nobody who answers late or not at all holds up the others.

An endpoint is prompt while its answers come within ``PROMPT_SECONDS`` and none is out for longer. The last quarter of
the threads is for endpoints that have none. Who is not known yet has a quarter; who fails or is late has a quarter as
well, and all of those together have half. With those that are not known they have three quarters.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from custody.webhooks.model import Outcome, Parcel

PROMPT_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, eq=False)
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
        """Whether the last attempt there was not taken when they were claimed."""
        return self.parcels[0].is_failing


class Lanes:
    """What waits for a thread, endpoint by endpoint. Safe to share between threads."""

    def __init__(self, threads: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._few, self._most_late = max(1, threads // 4), max(1, threads // 2)
        self._most_shared = max(1, threads - self._few)
        self._most_unsure = max(self._few + 1, threads - self._few)
        self._clock = clock
        self._waiting: OrderedDict[str, deque[Chain]] = OrderedDict()
        self._out: dict[Chain, float] = {}
        """What is being sent, and since when its next answer is awaited."""
        self._busy: Counter[str] = Counter()
        """Threads that send, by endpoint."""
        self._was_prompt: dict[str, bool] = {}
        """How the last answer of each endpoint came."""
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
            self._out[chain] = self._clock()
            self._busy[chain.endpoint] += 1
            return chain

    def came(self, chain: Chain, outcome: Outcome) -> list[Parcel]:
        """Note what came of a parcel of ``chain``.

        Where that was no answer at all, what waits for its endpoint is handed back: it is not to be sent now.
        """
        with self._news:
            began, self._out[chain] = self._out[chain], self._clock()
            if outcome.is_unsent:
                return []
            is_prompt = outcome.status is not None and self._out[chain] - began <= PROMPT_SECONDS
            if is_prompt and not self._was_prompt.get(chain.endpoint):
                self._news.notify_all()
            self._was_prompt[chain.endpoint] = is_prompt
            if outcome.status is not None or chain.is_failing:
                return []
            return [parcel for each in self._waiting.pop(chain.endpoint, ()) for parcel in each.parcels]

    def done(self, chain: Chain) -> None:
        """A thread is through with it: what waited behind its endpoint's share may follow."""
        with self._news:
            del self._out[chain]
            self._busy[chain.endpoint] -= 1
            if self._is_closed:
                self._news.notify_all()
            else:
                self._news.notify()

    def prompt(self) -> set[str]:
        """The endpoints that answer in time, as far as that is known."""
        with self._news:
            return {endpoint for endpoint, was_prompt in self._was_prompt.items() if was_prompt} - self._silent()

    def close(self) -> None:
        """Nothing more comes. What waits is handed out still."""
        with self._news:
            self._is_closed = True
            self._news.notify_all()

    def _next(self) -> Chain | None:
        silent = self._silent()
        for endpoint, chains in self._waiting.items():
            if self._may_have_one_more(endpoint, chains[0], silent):
                chain = chains.popleft()
                self._waiting.move_to_end(endpoint)
                if not chains:
                    del self._waiting[endpoint]
                return chain
        return None

    def _may_have_one_more(self, endpoint: str, chain: Chain, silent: set[str]) -> bool:
        busy, is_late = self._busy[endpoint], self._is_late(chain, silent)
        if busy and len(self._out) >= self._most_shared:
            return False
        if is_late or endpoint not in self._was_prompt:
            unsure = sum(each.endpoint not in self._was_prompt or self._is_late(each, silent) for each in self._out)
            if busy >= self._few or unsure >= self._most_unsure:
                return False
        return not is_late or sum(self._is_late(each, silent) for each in self._out) < self._most_late

    def _silent(self) -> set[str]:
        """Endpoints of which an answer is awaited for longer than it should be."""
        since = self._clock() - PROMPT_SECONDS
        return {chain.endpoint for chain, began in self._out.items() if began < since}

    def _is_late(self, chain: Chain, silent: set[str]) -> bool:
        return chain.is_failing or chain.endpoint in silent or self._was_prompt.get(chain.endpoint) is False
