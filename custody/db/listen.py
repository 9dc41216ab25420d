"""Waiting for a NOTIFY on a connection of its own; a doorbell, so losing one costs a poll."""

from __future__ import annotations

import time
from types import TracebackType

import psycopg


class Listener:
    """LISTENs on ``channel``; reconnects by itself, and then counts as rung."""

    def __init__(self, url: str, channel: str) -> None:
        self._url = url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._channel = channel
        self._connection: psycopg.Connection | None = None

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop()

    def wait(self, seconds: float) -> bool | None:
        """Return at the next NOTIFY, or after ``seconds``.

        True: it rang, or may have while nobody listened. False: nothing rang. None: the database was not heard.
        """
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self._url, autocommit=True)
                self._connection.execute(f"LISTEN {self._channel}")
                return True
            return any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))
        except psycopg.OperationalError:
            self._drop()
            time.sleep(seconds)
            return None

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
