"""Telling open pages that something happened: one connection that listens, however many pages are open.

This is the one asynchronous part of the project (ADR 0024). A page that is told looks again by an ordinary call: the
stream itself never reads the database and shows nobody anything.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Final

from custody.db.listen import Listener
from custody.events.operations import CHANNEL

BEAT_SECONDS: Final = 5.0
"""How often a page hears that the stream lives; after three times as long in silence it says that it is stale."""
QUIET_SECONDS: Final = 0.25
"""Rings closer together than this are one."""
LASTS_SECONDS: Final = 300
"""A stream ends after so long; the browser opens the next, and is asked again who it is."""


class Bells:
    """The doorbell of the events, heard once in this process and passed on to every stream."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next = asyncio.Event()
        self._rings = 0

    async def stream(self) -> AsyncIterator[str]:
        """Lines of an event stream: ``changed`` whenever something was told, ``beat`` every few seconds.

        Where the database is not heard there is no beat either: silence is the message.
        """
        self._listen()
        ends, seen = time.monotonic() + LASTS_SECONDS, self._rings
        yield "retry: 3000\nevent: beat\ndata: here\n\n"
        while time.monotonic() < ends and not self._closed.is_set():
            heard = self._next
            try:
                await asyncio.wait_for(heard.wait(), timeout=2 * BEAT_SECONDS)
            except TimeoutError:
                continue
            event = "beat" if self._rings == seen else "changed"
            seen = self._rings
            yield f"event: {event}\ndata: {seen}\n\n"

    def close(self) -> None:
        """End every stream, and stop listening."""
        self._closed.set()
        self._next.set()

    def _listen(self) -> None:
        """Called in the loop: the first stream starts the thread."""
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._hear, name="bells", daemon=True)
            self._thread.start()

    def _hear(self) -> None:
        with Listener(self._url, CHANNEL) as listener:
            while not self._closed.is_set():
                heard = listener.wait(BEAT_SECONDS)
                if heard is not None and self._loop is not None and not self._loop.is_closed():
                    self._loop.call_soon_threadsafe(self._pass_on, heard)
                    self._closed.wait(QUIET_SECONDS)

    def _pass_on(self, is_rung: bool) -> None:
        self._rings += is_rung
        heard, self._next = self._next, asyncio.Event()
        heard.set()
