"""How often a credential may call: one bucket each, in this process, which refills by the second.

Freezes, cancellations and verdicts are never limited (``custody.api.access`` says what they are).
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
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, caller: Caller) -> Allowance | None:
        """Take one call out of the caller's bucket, as far as there is one; ``None`` for who is not limited."""
        limit = caller.calls_per_minute
        if limit is None:
            return None
        pace = limit / WINDOW_SECONDS
        with self._lock:
            now = self._clock()
            left, since = self._buckets.get(caller.name, (float(limit), now))
            left = min(float(limit), left + (now - since) * pace)
            is_within = left >= 1
            left -= 1 if is_within else 0
            self._buckets[caller.name] = (left, now)
        retry_after = 0 if is_within else max(1, math.ceil((1 - left) / pace))
        return Allowance(limit, int(left), math.ceil((limit - left) / pace), retry_after)
