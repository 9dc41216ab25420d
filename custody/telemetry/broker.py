"""Whether the broker answers: two lines of its protocol by hand, for only workers speak to it with a library."""

from __future__ import annotations

import socket
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

PATIENCE_SECONDS: Final = 2
_MOST_BYTES: Final = 512


def answers(url: str, *, patience_seconds: int = PATIENCE_SECONDS) -> bool:
    """Whether the broker at ``redis://…`` takes our password and answers a ping in time."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((str(parts.hostname), parts.port or 6379), patience_seconds) as line:
            line.settimeout(patience_seconds)
            if parts.password is not None and not _said(line, *_credentials(parts)).startswith(b"+OK"):
                return False
            return _said(line, "PING").startswith(b"+PONG")
    except OSError:
        return False


def _credentials(parts: SplitResult) -> tuple[str, ...]:
    given = [unquote(each) for each in (parts.username, parts.password) if each]
    return ("AUTH", *given)


def _said(line: socket.socket, *words: str) -> bytes:
    """Say an array of bulk strings; the first bytes of the answer."""
    encoded = [word.encode() for word in words]
    line.sendall(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(each), each) for each in encoded))
    return line.recv(_MOST_BYTES)
