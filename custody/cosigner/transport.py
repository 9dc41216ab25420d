"""Speaking to the daemon's API: bundles in, answers out. Nothing it says is believed."""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from custody.evidence.announcement import Announcement
from custody.kernel.canonical import parse_json
from custody.kernel.errors import InvalidInput, Unavailable

_LARGEST_ANSWER: Final = 64_000_000
_TIMEOUT_SECONDS: Final = 30


class ApiUnreachable(Unavailable):
    """The API does not answer, or not as agreed."""

    code = "api-unreachable"


class ApiRefused(InvalidInput):
    """The API answered with a refusal of its own."""

    code = "api-refused"


@dataclass(frozen=True, slots=True)
class Api:
    """One daemon's API and the bearer token for it."""

    https: bool
    host: str
    port: int
    prefix: str
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
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise InvalidInput("plain http is accepted to this machine only", field="api")
        if not token.isascii() or not token.isprintable() or not token or " " in token:
            raise InvalidInput("not one line of printable ASCII", field="token")
        https = parts.scheme == "https"
        return cls(https, parts.hostname, port or (443 if https else 80), parts.path.rstrip("/"), token)

    def bundles(self, cosigner: str) -> list[Any]:
        """Bundles that wait for ``cosigner``, unread. Raises ``ApiUnreachable``, ``ApiRefused``."""
        found = self._call("GET", f"/v1/bundles?cosigner={quote(cosigner, safe='')}")
        bundles = found.get("bundles") if isinstance(found, dict) else None
        if not isinstance(bundles, list):
            raise ApiUnreachable("answers without bundles", field="api")
        return bundles

    def announcement(self) -> Announcement:
        """The rules it goes by, and intents that wait. Raises ``ApiUnreachable``, ``ApiRefused``, ``InvalidInput``."""
        return Announcement.parse(self._call("GET", "/v1/announcements"))

    def send_signatures(self, bundle: str, *, answer: dict[str, Any]) -> None:
        """Hand in our signatures, under the field that the bundle's chain has for them.

        Raises ``ApiUnreachable``, ``ApiRefused``.
        """
        self._call("POST", f"/v1/bundles/{quote(bundle, safe='')}/signatures", answer)

    def send_refusal(self, bundle: str, *, refusal: dict[str, Any], signature: str) -> None:
        """Hand in a signed refusal. Raises ``ApiUnreachable``, ``ApiRefused``."""
        self._call(
            "POST", f"/v1/bundles/{quote(bundle, safe='')}/refusals", {"refusal": refusal, "signature": signature}
        )

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        make = http.client.HTTPSConnection if self.https else http.client.HTTPConnection
        connection = make(self.host, self.port, timeout=_TIMEOUT_SECONDS)
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            content = None if body is None else json.dumps(body).encode()
            connection.request(method, self.prefix + path, body=content, headers=headers)
            response = connection.getresponse()
            answer = response.read(_LARGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException, socket.gaierror) as error:
            raise ApiUnreachable(f"does not answer ({type(error).__name__})", field="api") from error
        finally:
            connection.close()
        return _read(response.status, answer)


def _read(status: int, answer: bytes) -> Any:
    if status >= 500 or status < 200:
        raise ApiUnreachable(f"answers {status}", field="api")
    if status >= 300:
        raise ApiRefused(f"answers {status}", field="api", status=status)
    if not answer:
        return None
    try:
        return parse_json(answer, field="api", limit_bytes=_LARGEST_ANSWER)
    except InvalidInput as error:
        raise ApiUnreachable("answers with something that is not strict JSON", field="api") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
