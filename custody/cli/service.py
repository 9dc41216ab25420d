"""The API from the outside: who we are out of a file, JSON in and out, its problems as one-line errors."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from custody.cli import environment
from custody.cli.credential import read_credential
from custody.cli.exits import Locked, say
from custody.cli.rehearsing import Rehearsed, is_dry
from custody.kernel.errors import Conflict, CustodyError, InvalidInput, NotFound, Refused, Unavailable

SECONDS: Final = 30.0
_LIMIT_BYTES: Final = 16_000_000

ApiOption = Annotated[
    str,
    typer.Option(
        "--api", envvar="CUSTODY_API_URL", help="Address of the API; without it, this machine's at CUSTODY_API_PORT."
    ),
]
TokenOption = Annotated[
    str,
    typer.Option(
        "--token-file",
        envvar="CUSTODY_API_TOKEN_FILE",
        help="File that holds the bearer token; with CUSTODY_API_KEY, the name of a call key, that key.",
    ),
]


class ServiceUnavailable(Unavailable):
    """The API does not answer, or not yet."""

    code = "service-unavailable"


class ServiceRefused(Refused):
    """The API said no."""

    code = "service-refused"


class Service:
    """One API and who we are to it. Has no readable ``repr``."""

    def __init__(self, url: str, token_file: str) -> None:
        """``url`` is http or https; empty: this machine's.

        Raises ``InvalidInput``, and OSError for a token file that cannot be read.
        """
        found = url or f"http://127.0.0.1:{os.environ.get('CUSTODY_API_PORT', '8080')}"
        if not found.startswith(("http://", "https://")):
            raise InvalidInput("not an address; accepted begins with http:// or https://", field="api")
        self._url = found.rstrip("/")
        self._is_announced = False
        self._credential = read_credential(token_file)

    def __repr__(self) -> str:
        return "Service"

    @property
    def address(self) -> str:
        """Where it is."""
        return self._url

    def get(self, *path: str, query: Mapping[str, str] | None = None) -> Any:
        """The object at ``path``. Raises ``NotFound``, ``ServiceRefused``, ``ServiceUnavailable``."""
        return self._call("GET", path, None, query)

    def post(self, *path: str, body: Any, query: Mapping[str, str] | None = None) -> Any:
        """What the API answers to ``body``. Raises as ``get`` does, and ``InvalidInput`` or ``Conflict``.

        Says first where that changes something; ``Rehearsed`` instead, where this is only tried.
        """
        self.announce()
        if is_dry():
            raise Rehearsed(path, body)
        return self.ask(*path, body=body, query=query)

    def ask(self, *path: str, body: Any, query: Mapping[str, str] | None = None) -> Any:
        """The same of a question that needs a body and changes nothing."""
        return self._call("POST", path, json.dumps(body).encode(), query)

    def announce(self) -> None:
        """Say once where whatever follows takes place."""
        if not self._is_announced:
            say(environment.here(urllib.parse.urlsplit(self._url).netloc))
        self._is_announced = True

    def _call(self, method: str, path: tuple[str, ...], body: bytes | None, query: Mapping[str, str] | None) -> Any:
        # Help does not wait for what only a call needs.
        import http.client
        import urllib.error
        import urllib.request

        where = "/".join([self._url, "v1", *(urllib.parse.quote(part, safe="") for part in path)])
        where += f"?{urllib.parse.urlencode(query)}" if query else ""
        headers = {"Content-Type": "application/json", **self._credential.headers(method, where, body)}
        request = urllib.request.Request(where, data=body, headers=headers, method=method)  # noqa: S310  checked above
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310  checked above
                return json.loads(answer.read(_LIMIT_BYTES))
        except urllib.error.HTTPError as error:
            raise _problem(error) from None
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
            raise ServiceUnavailable("does not answer, or answers no sense", field="api") from error


_FAMILIES: Final[dict[int, type[CustodyError]]] = {
    401: Locked,
    404: NotFound,
    409: Conflict,
    422: InvalidInput,
    503: Unavailable,
}


_OF_THE_CREDENTIAL: Final = frozenset({"role-refused", "scope-refused", "client-refused", "network-refused"})
"""Problems that another credential would not have."""


def _problem(error: urllib.error.HTTPError) -> CustodyError:
    """The problem document (RFC 9457) as an error of ours."""
    try:
        found = json.loads(error.read(64_000))
        detail, field, code = str(found["detail"]), found.get("field"), found.get("code")
    except (ValueError, KeyError, TypeError):
        detail, field, code = f"HTTP {error.code}", None, None
    family = _FAMILIES.get(error.code, ServiceUnavailable if error.code >= 500 else ServiceRefused)
    if code in _OF_THE_CREDENTIAL:
        family = Locked
    return family(detail, field=str(field) if field else None)
