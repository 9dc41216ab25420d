"""Waiting for news without holding a thread: one listener for the whole process, however many callers wait."""

from __future__ import annotations

import asyncio
import threading
from typing import Final

from custody.db.listen import Listener

_LISTEN_SECONDS: Final = 1.0


class Bell:
    """Rings for everybody who waits when something was told. It may ring for nothing: who hears it looks."""

    def __init__(self, url: str, channel: str) -> None:
        self._url, self._channel = url, channel
        self._next: asyncio.Event | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def ticket(self) -> asyncio.Event:
        """Set at the next ring. Taken before looking, so that what comes between looking and waiting is not missed."""
        if self._next is None:
            self._next = asyncio.Event()
        if self._thread is None:
            loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._listen, args=(loop,), name="bell", daemon=True)
            self._thread.start()
        return self._next

    async def rung(self, ticket: asyncio.Event, seconds: float) -> None:
        """Return when ``ticket`` is rung for, or after ``seconds``."""
        try:
            await asyncio.wait_for(ticket.wait(), timeout=seconds)
        except TimeoutError:
            return

    def close(self) -> None:
        """Stop listening, and let everybody go who waits."""
        self._stop.set()
        self._ring()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        with Listener(self._url, self._channel) as listener:
            while not self._stop.is_set():
                if listener.wait(_LISTEN_SECONDS) and not loop.is_closed():
                    loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        rung, self._next = self._next, None
        if rung is not None:
            rung.set()
