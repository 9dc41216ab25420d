"""One POST over HTTP/1.1: to a judged address, within one deadline for everything, following nothing.

A client of its own because the deadline must hold against a receiver that drips, the address must be the one that was
judged, and nothing may come from the environment: no proxy, no redirect, no cookie.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from custody.webhooks.places import Place, Places, read_url
from custody.webhooks.resolving import LOOK_UP_SECONDS

TIMEOUT_SECONDS: Final = 15.0
_CONNECT_SECONDS: Final = 5.0
_HEAD_BYTES: Final = 16_384
_BODY_BYTES: Final = 65_536
"""A longer answer is cut off, and its connection with it."""
_IDLE_SECONDS: Final = 20.0
_IDLE_MOST: Final = 32


class NoAnswer(Exception):
    """Nothing that is an answer came. The message says why and holds nothing the receiver sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are lower case; ``body`` is its beginning."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Line:
    """One open connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.is_used = False
        self.since = time.monotonic()

    def close(self) -> None:
        self.sock.close()


class Wire:
    """Connections kept open between deliveries. Safe to share between threads."""

    def __init__(
        self, places: Places, *, tls: ssl.SSLContext | None = None, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._places, self._timeout = places, timeout_seconds
        self._tls = tls or ssl.create_default_context()
        self._idle: dict[Place, list[_Line]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            for lines in self._idle.values():
                for line in lines:
                    line.close()
            self._idle.clear()

    def post(self, url: str, headers: Mapping[str, str], body: bytes, *, asker: str = "") -> Answer:
        """Post ``body`` for ``asker`` and read the answer. Raises ``PlaceRefused``, ``InvalidInput``, ``NoAnswer``."""
        place = read_url(url)
        until = time.monotonic() + self._timeout
        request = _request(place, headers, body)
        line = self._take(place) or self._connect(place, asker, until)
        try:
            return self._exchange(place, line, request, until)
        except _Closed:
            if not line.is_used:
                raise NoAnswer("the receiver closed the connection") from None
        # It was kept open and its other end had gone meanwhile: once more, on a new one.
        return self._fresh(place, asker, request, until)

    def _fresh(self, place: Place, asker: str, request: bytes, until: float) -> Answer:
        try:
            return self._exchange(place, self._connect(place, asker, until), request, until)
        except _Closed:
            raise NoAnswer("the receiver closed the connection") from None

    def _exchange(self, place: Place, line: _Line, request: bytes, until: float) -> Answer:
        try:
            line.sock.settimeout(_left(until))
            line.sock.sendall(request)
            answer, may_be_kept = _read(line.sock, until)
        except TimeoutError:
            line.close()
            raise NoAnswer("no answer within the time limit") from None
        except OSError:
            line.close()
            raise _Closed from None
        except (_Closed, NoAnswer):
            line.close()
            raise
        if may_be_kept:
            self._keep(place, line)
        else:
            line.close()
        return answer

    def _connect(self, place: Place, asker: str, until: float) -> _Line:
        """Open a connection to an address that was judged just now."""
        left = max(until - time.monotonic(), 0.0)
        for address in self._places.addresses(place, asker=asker, seconds=min(LOOK_UP_SECONDS, left)):
            try:
                sock = socket.create_connection((address, place.port), timeout=min(_CONNECT_SECONDS, _left(until)))
            except OSError:
                continue
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if place.scheme == "https":
                    sock = self._tls.wrap_socket(sock, server_hostname=place.host)
                return _Line(sock)
            except ssl.SSLError:
                sock.close()
                raise NoAnswer("the certificate is not valid for this name, or TLS failed") from None
            except OSError:
                sock.close()
        raise NoAnswer("no connection could be made")

    def _take(self, place: Place) -> _Line | None:
        with self._lock:
            lines = self._idle.get(place, [])
            while lines:
                line = lines.pop()
                if time.monotonic() - line.since < _IDLE_SECONDS:
                    line.is_used = True
                    return line
                line.close()
        return None

    def _keep(self, place: Place, line: _Line) -> None:
        line.since = time.monotonic()
        with self._lock:
            lines = self._idle.setdefault(place, [])
            if len(lines) < _IDLE_MOST:
                lines.append(line)
                return
        line.close()


class _Closed(Exception):
    """The other end closed before a whole answer came."""


def _request(place: Place, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"POST {place.path} HTTP/1.1", f"host: {place.authority}"]
    lines += [f"{name}: {value}" for name, value in ({"content-type": "application/json"} | dict(headers)).items()]
    lines += [f"content-length: {len(body)}", "user-agent: custody-webhooks/1"]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _read(sock: socket.socket, until: float) -> tuple[Answer, bool]:
    """The answer, and whether the connection may be used again."""
    data = b""
    while True:
        head, data = _head(sock, data, until)
        status, headers = _parsed(head)
        if status >= 200:
            break
    length = headers.get("content-length")
    if status == 204:
        return Answer(status, headers, b""), not data and _is_kept(headers)
    if "transfer-encoding" in headers or length is None or not (length.isascii() and length.isdigit()):
        return Answer(status, headers, _beginning(sock, data, headers, until)), False
    wanted = int(length)
    while len(data) < min(wanted, _BODY_BYTES):
        data += _more(sock, until)
    return Answer(status, headers, data[:wanted]), len(data) == wanted and _is_kept(headers)


def _head(sock: socket.socket, data: bytes, until: float) -> tuple[bytes, bytes]:
    while b"\r\n\r\n" not in data:
        if len(data) > _HEAD_BYTES:
            raise NoAnswer("the answer's head is too long")
        data += _more(sock, until)
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _parsed(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or not (rest[:3].isascii() and rest[:3].isdigit()):
        raise NoAnswer("the answer is not HTTP")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if version == "HTTP/1.0":
        headers.setdefault("connection", "close")
    return int(rest[:3]), headers


def _beginning(sock: socket.socket, data: bytes, headers: Mapping[str, str], until: float) -> bytes:
    """The beginning of a body whose length is not told: what is there of it, as long as it comes."""
    try:
        while len(data) < 2_048 and not data.endswith(b"0\r\n\r\n"):
            data += _more(sock, until)
    except (_Closed, OSError):
        pass
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return data
    pieces = data.split(b"\r\n")
    return b"".join(pieces[1::2])


def _is_kept(headers: Mapping[str, str]) -> bool:
    return headers.get("connection", "").lower() != "close"


def _more(sock: socket.socket, until: float) -> bytes:
    sock.settimeout(_left(until))
    found = sock.recv(16_384)
    if not found:
        raise _Closed
    return found


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
