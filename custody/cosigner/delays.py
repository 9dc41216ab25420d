"""Delays count from when this program itself first saw an intent that its requester signed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.cosigner.remembered import MemoryView

LONGEST_DELAY_SECONDS: Final = 100 * 366 * 86_400
"""A stored decision may ask for more than a calendar holds; a century is as good."""


def expect_delays_over(memory: MemoryView, delays: Mapping[str, int], now: datetime) -> None:
    """Every intent in ``delays`` (digest to seconds) was first seen here so long ago. Raises ``CosignerRefusal``.

    The refusal names the intents that wait, so that the program can note when it first saw them.
    """
    left = {digest: _left(memory, digest, seconds, now) for digest, seconds in delays.items() if seconds}
    waiting = {digest: rest for digest, rest in left.items() if rest > timedelta(0)}
    if waiting:
        longest = int(max(waiting.values()).total_seconds())
        why = f"the delay that policy requires has {longest} s left"
        raise CosignerRefusal(Reason.DELAY_NOT_OVER, why, waiting=tuple(waiting))


def _left(memory: MemoryView, digest: str, seconds: int, now: datetime) -> timedelta:
    delay = timedelta(seconds=min(seconds, LONGEST_DELAY_SECONDS))
    return (memory.first_seen(digest) or now) + delay - now
