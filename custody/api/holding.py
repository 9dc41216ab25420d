"""How many answers one caller may hold open at once: streams to pages, and reads of the feed that wait.

Each holds memory and a connection for as long as its caller likes, so nobody may have them without end. Counted in this
process: as many processes, so many times as much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from custody.api.problems import TooManyCalls

STREAMS_EACH: Final = 20
"""Pages that one person has open."""
WAITS_EACH: Final = 100
"""Reads of the feed that one credential has waiting."""
RETRY_AFTER_SECONDS: Final = 5


class Held:
    """Who holds how many open. Asked in the loop alone, so that no two ask at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    @contextmanager
    def place(self, whose: str) -> Iterator[None]:
        """One more is open until this is left. Raises ``TooManyCalls`` where that is one too many."""
        if self._open[whose] >= self._most:
            raise TooManyCalls(
                f"{self._most} answers are held open for this caller; one more is accepted when one of them has ended",
                retry_after=RETRY_AFTER_SECONDS,
            )
        self._open[whose] += 1
        try:
            yield
        finally:
            self._open[whose] -= 1
            if not self._open[whose]:
                del self._open[whose]


class HeldStream(StreamingResponse):
    """A stream that has its place for as long as it is sent, however it ends."""

    def __init__(self, content: AsyncIterator[str], *, held: Held, whose: str, headers: Mapping[str, str]) -> None:
        """``whose`` stream of events it is is counted in ``held``."""
        super().__init__(content, media_type="text/event-stream", headers=headers)
        self._held, self._whose = held, whose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises ``TooManyCalls`` before anything is sent."""
        with self._held.place(self._whose):
            await super().__call__(scope, receive, send)
