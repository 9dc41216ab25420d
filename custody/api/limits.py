"""How often a credential may call, and how often the same may fail: one bucket each, in this process.

A bucket refills by the second. Freezes, cancellations and verdicts are never limited (``custody.api.access`` says what
they are), and no passkey that answers rightly is: what is paced there is what fails.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from custody.api.credentials import Caller

WINDOW_SECONDS: Final = 60
MOST_KEPT: Final = 10_000
"""Buckets that are kept together: beyond it the one that was not touched for longest is forgotten."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a caller's minute after a call."""

    calls_per_minute: int
    remaining: int
    full_in: int
    """Seconds until all of it is back."""
    retry_after: int
    """0 where the call is within it; otherwise the seconds until the next one is."""

    def headers(self) -> dict[str, str]:
        """``RateLimit`` and ``RateLimit-Policy``, as the HTTP working group's draft writes them."""
        return {
            "RateLimit-Policy": f'"credential";q={self.calls_per_minute};w={WINDOW_SECONDS}',
            "RateLimit": f'"credential";r={self.remaining};t={self.full_in}',
        }


class Limits:
    """Every limited caller's bucket. ``clock`` is seconds that only go forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets = _Buckets(clock)

    def take(self, caller: Caller) -> Allowance | None:
        """Take one call out of the caller's bucket, as far as there is one; ``None`` for who is not limited."""
        limit = caller.calls_per_minute
        if limit is None:
            return None
        pace = limit / WINDOW_SECONDS
        left, retry_after = self._buckets.take(caller.name, limit, pace)
        return Allowance(limit, int(left), math.ceil((limit - left) / pace), retry_after)


class Pace:
    """``most`` of the same at once, and as many again in each ``seconds``; the clock's only go forward."""

    def __init__(self, most: int, seconds: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._pace = most, most / seconds
        self._buckets = _Buckets(clock)

    def take(self, name: str) -> int:
        """One more by ``name``: 0 where it is within the pace, otherwise the seconds until the next one is."""
        return self._buckets.take(name, self._most, self._pace)[1]


class _Buckets:
    """How much is left to whom, by name, and since when."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, float]] = {}

    def take(self, name: str, most: int, pace: float) -> tuple[float, int]:
        """What is left after taking one, which an empty bucket does not give, and the seconds until it would."""
        with self._lock:
            now = self._clock()
            left, since = self._kept.pop(name, (float(most), now))
            left = min(float(most), left + (now - since) * pace)
            is_within = left >= 1
            left -= 1 if is_within else 0
            # At the end, so that whoever was not heard of for longest stands first.
            self._kept[name] = (left, now)
            if len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return left, 0 if is_within else max(1, math.ceil((1 - left) / pace))
