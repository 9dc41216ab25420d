"""Telling open pages that something happened, however many pages are open.

This is the one asynchronous part of the project (ADR 0024). A page that is told looks again by an ordinary call: the
stream itself never reads the database and shows nobody anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

from custody.api.bell import Bell

BEAT_SECONDS: Final = 5.0
"""How often a page hears that the stream lives; after three times as long in silence it says that it is stale."""
QUIET_SECONDS: Final = 0.25
"""Rings closer together than this are one."""
LASTS_SECONDS: Final = 300
"""A stream ends after so long; the browser opens the next, and is asked again who it is."""


class Bells:
    """The doorbell of the events, passed on to every stream."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._is_closed = False
        self._next = asyncio.Event()
        self._rings = 0
        self._told_at = -BEAT_SECONDS
        self._is_due = False
        bell.follow(self._hear)

    async def stream(self) -> AsyncIterator[str]:
        """Lines of an event stream: ``changed`` whenever something was told, ``beat`` every few seconds.

        Where the database is not heard there is no beat either: silence is the message.
        """
        self._bell.listen()
        ends, seen = time.monotonic() + LASTS_SECONDS, self._rings
        yield "retry: 3000\nevent: beat\ndata: here\n\n"
        while time.monotonic() < ends and not self._is_closed:
            heard = self._next
            try:
                await asyncio.wait_for(heard.wait(), timeout=2 * BEAT_SECONDS)
            except TimeoutError:
                continue
            event = "beat" if self._rings == seen else "changed"
            seen = self._rings
            yield f"event: {event}\ndata: {seen}\n\n"

    def close(self) -> None:
        """End every stream."""
        self._is_closed = True
        self._next.set()

    def _hear(self, is_rung: bool) -> None:
        """Called in the loop. Each ring is told of, at once or when it has been quiet for long enough."""
        self._rings += is_rung
        since = time.monotonic() - self._told_at
        if is_rung and since < QUIET_SECONDS:
            if not self._is_due:
                self._is_due = True
                asyncio.get_running_loop().call_later(QUIET_SECONDS - since, self._tell)
        elif is_rung or since >= BEAT_SECONDS:
            self._tell()

    def _tell(self) -> None:
        self._told_at, self._is_due = time.monotonic(), False
        heard, self._next = self._next, asyncio.Event()
        heard.set()
