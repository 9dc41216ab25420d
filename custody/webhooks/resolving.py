"""Looking names up within a time limit, which the resolver of the machine does not keep by itself.

A look-up that hangs cannot be ended, so it is left behind: in a thread that keeps no process from ending, one for each
name however often that is asked for, and so many in all. Of those one asker has a quarter, and the last quarter is for
askers that have none: whose names hang holds up nobody else's.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

LookUp = Callable[[str, int], Sequence[str]]

LOOK_UP_SECONDS: Final = 5.0
MOST_UNANSWERED: Final = 64
MOST_OF_ONE: Final = MOST_UNANSWERED // 4
"""No fewer than a pusher has threads: whoever is answered at once has room for all of them."""


class Unanswered(Exception):
    """The name was not answered in time, or too many others are not. The message says which."""


class Resolver:
    """Asks ``look_up``, and waits no longer than it is told. Safe to share between threads."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._lock = threading.Lock()
        self._open: dict[tuple[str, int], Future[Sequence[str]]] = {}
        self._askers: Counter[str] = Counter()

    def addresses(self, host: str, port: int, *, asker: str, seconds: float) -> Sequence[str]:
        """The addresses of ``host``. Raises ``Unanswered``, ``OSError``, ``UnicodeError``."""
        answer = self._asked(host, port, asker)
        try:
            return answer.result(seconds)
        except TimeoutError:
            raise Unanswered("the name was not answered in time") from None

    def _asked(self, host: str, port: int, asker: str) -> Future[Sequence[str]]:
        """The answer to come; what is asked for already is not asked again."""
        with self._lock:
            found = self._open.get((host, port))
            if found is not None:
                return found
            self._expect_room(asker)
            answer, asked = Future[Sequence[str]](), (host, port, asker)
            try:
                threading.Thread(target=self._ask, args=(*asked, answer), name=f"name {host}", daemon=True).start()
            except RuntimeError:
                raise Unanswered("no thread is left to ask by") from None
            self._open[(host, port)] = answer
            self._askers[asker] += 1
        return answer

    def _expect_room(self, asker: str) -> None:
        has, most = self._askers[asker], MOST_UNANSWERED - (MOST_OF_ONE if self._askers[asker] else 0)
        if has >= MOST_OF_ONE or len(self._open) >= most:
            raise Unanswered("too many names are not answered")

    def _ask(self, host: str, port: int, asker: str, answer: Future[Sequence[str]]) -> None:
        try:
            answer.set_result(self._look_up(host, port))
        except (OSError, UnicodeError) as error:
            answer.set_exception(error)
        finally:
            with self._lock:
                del self._open[(host, port)]
                self._askers -= Counter([asker])


def ask_the_machine(host: str, port: int) -> Sequence[str]:
    """Every address the machine's own resolver knows. Raises ``OSError``, ``UnicodeError``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(item[4][0]) for item in found]


MACHINE: Final = Resolver(ask_the_machine)
"""One for the process: what hangs is counted over all who ask."""
