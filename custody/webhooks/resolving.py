"""Looking names up within a time limit, which the resolver of the machine does not keep by itself.

A look-up that hangs cannot be ended, so it is left behind: in a thread that keeps no process from ending, one for each
name however often that is asked for, and so many in all.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

LookUp = Callable[[str, int], Sequence[str]]

LOOK_UP_SECONDS: Final = 5.0
MOST_UNANSWERED: Final = 32


class Unanswered(Exception):
    """The name was not answered in time, or too many others are not. The message says which."""


class Resolver:
    """Asks ``look_up``, and waits no longer than it is told. Safe to share between threads."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._lock = threading.Lock()
        self._open: dict[tuple[str, int], Future[Sequence[str]]] = {}

    def addresses(self, host: str, port: int, *, seconds: float) -> Sequence[str]:
        """The addresses of ``host``. Raises ``Unanswered``, ``OSError``, ``UnicodeError``."""
        answer = self._asked(host, port)
        try:
            return answer.result(seconds)
        except TimeoutError:
            raise Unanswered("the name was not answered in time") from None

    def _asked(self, host: str, port: int) -> Future[Sequence[str]]:
        """The answer to come; what is asked for already is not asked again."""
        with self._lock:
            found = self._open.get((host, port))
            if found is not None:
                return found
            if len(self._open) >= MOST_UNANSWERED:
                raise Unanswered("too many names are not answered")
            answer = Future[Sequence[str]]()
            try:
                threading.Thread(target=self._ask, args=(host, port, answer), name=f"name {host}", daemon=True).start()
            except RuntimeError:
                raise Unanswered("no thread is left to ask by") from None
            self._open[(host, port)] = answer
        return answer

    def _ask(self, host: str, port: int, answer: Future[Sequence[str]]) -> None:
        try:
            answer.set_result(self._look_up(host, port))
        except (OSError, UnicodeError) as error:
            answer.set_exception(error)
        finally:
            with self._lock:
                del self._open[(host, port)]


def ask_the_machine(host: str, port: int) -> Sequence[str]:
    """Every address the machine's own resolver knows. Raises ``OSError``, ``UnicodeError``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(item[4][0]) for item in found]


MACHINE: Final = Resolver(ask_the_machine)
"""One for the process: what hangs is counted over all who ask."""
