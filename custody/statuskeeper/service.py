"""Speaking to a daemon's API: what it knows in, statements out. Nothing it says takes anything away."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from custody.evidence import fields
from custody.evidence.announcement import Announcement
from custody.evidence.status import SignedStatus
from custody.kernel.canonical import parse_json
from custody.kernel.errors import InvalidInput, Unavailable

_LARGEST_ANSWER: Final = 64_000_000
_TIMEOUT_SECONDS: Final = 30
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class ApiUnreachable(Unavailable):
    """The API does not answer, or not as agreed."""

    code = "api-unreachable"


@dataclass(frozen=True, slots=True)
class Api:
    """One daemon's API and the bearer token for it."""

    https: bool
    host: str
    port: int
    token: str

    @classmethod
    def parse(cls, url: str, *, token: str) -> Api:
        """Read a base address; plain HTTP only to this machine, for the token's sake. Raises ``InvalidInput``."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise InvalidInput("not an address", field="api") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise InvalidInput("not an address; accepted is https://host:port", field="api")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise InvalidInput("plain http is accepted to this machine only", field="api")
        if not token.isascii() or not token.isprintable() or not token or " " in token:
            raise InvalidInput("not one line of printable ASCII", field="token")
        https = parts.scheme == "https"
        return cls(https, parts.hostname, port or (443 if https else 80), token)

    def announcement(self) -> Announcement:
        """The rules it goes by, and what waits. Raises ``ApiUnreachable`` or ``InvalidInput``."""
        return Announcement.parse(self._call("GET", "/v1/announcements"))

    def retractions(self) -> tuple[list[str], list[Any]]:
        """Digests it says were taken back, and signed documents it passes on. Raises as ``announcement`` does."""
        found = fields.exact_object(
            self._call("GET", "/v1/retractions"), ("withdrawn", "documents"), field="retractions"
        )
        digests = fields.array(found["withdrawn"], field="retractions.withdrawn", limit=100_000)
        documents = fields.array(found["documents"], field="retractions.documents", limit=10_000)
        return [fields.hexadecimal(each, field="retractions.withdrawn", length=32) for each in digests], documents

    def hand_in(self, signed: SignedStatus) -> None:
        """Give it a statement. Raises ``ApiUnreachable``."""
        self._call("POST", "/v1/status", signed.to_json())

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        make = http.client.HTTPSConnection if self.https else http.client.HTTPConnection
        connection = make(self.host, self.port, timeout=_TIMEOUT_SECONDS)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body).encode(), headers=headers)
            response = connection.getresponse()
            answer = response.read(_LARGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException, socket.gaierror) as error:
            raise ApiUnreachable(f"does not answer ({type(error).__name__})", field="api") from error
        finally:
            connection.close()
        if not 200 <= response.status < 300:
            raise ApiUnreachable(f"answers {response.status}", field="api", status=response.status)
        return parse_json(answer, field="api", limit_bytes=_LARGEST_ANSWER)
