"""Hearing that something was told: one connection that listens for the whole process, however many wait or watch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Final

from custody.db.listen import Listener

_LISTEN_SECONDS: Final = 1.0


class Bell:
    """Rings for everybody who waits when something was told. It may ring for nothing: who hears it looks.

    Everything but the listening itself happens in the loop of the first who asked.
    """

    def __init__(self, url: str, channel: str) -> None:
        self._url, self._channel = url, channel
        self._next: asyncio.Event | None = None
        self._followers: list[Callable[[bool], None]] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def ticket(self) -> asyncio.Event:
        """Set at the next ring. Taken before looking, so that what comes between looking and waiting is not missed."""
        self.listen()
        if self._next is None:
            self._next = asyncio.Event()
        return self._next

    async def rung(self, ticket: asyncio.Event, seconds: float) -> None:
        """Return when ``ticket`` is rung for, or after ``seconds``."""
        try:
            await asyncio.wait_for(ticket.wait(), timeout=seconds)
        except TimeoutError:
            return

    def follow(self, hear: Callable[[bool], None]) -> None:
        """Once somebody listens, call ``hear`` at each ring with True, and with False each second that had none.

        It is not called while the database is not heard, and with True as soon as it is heard again.
        """
        self._followers.append(hear)

    def listen(self) -> None:
        """Called in the loop: from now on the bell is heard."""
        if self._thread is None and not self._stop.is_set():
            loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._hear, args=(loop,), name="bell", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop listening, and let everybody go who waits."""
        self._stop.set()
        self._ring()

    def _hear(self, loop: asyncio.AbstractEventLoop) -> None:
        with Listener(self._url, self._channel) as listener:
            while not self._stop.is_set():
                heard = listener.wait(_LISTEN_SECONDS)
                if heard is not None and not loop.is_closed():
                    loop.call_soon_threadsafe(self._pass_on, heard)

    def _pass_on(self, is_rung: bool) -> None:
        if is_rung:
            self._ring()
        for hear in self._followers:
            hear(is_rung)

    def _ring(self) -> None:
        rung, self._next = self._next, None
        if rung is not None:
            rung.set()
