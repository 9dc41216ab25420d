"""One call: signed (RFC 9421), timed, tried again where that is safe, and its problems as exceptions.

A call is tried again after no connection, and after 409, 429 and 5xx whose problem says ``retryable``; after silence
only where it changes nothing or has an idempotency key. Each try has a nonce of its own and the same key.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from custody.evidence.calls import API_VERSION, VERSION_HEADER, CallKey, Terms, UnsignedCall, content_digest, sign_call
from custody.kernel.errors import InvalidInput
from custody.sdk.errors import ApiError, HouseUnavailable, error_of

SECONDS: Final = 45.0
"""How long an answer may take: longer than the feed holds one back."""
TRIES_AGAIN: Final = 2
GOOD_FOR_SECONDS: Final = 60
"""How long a signed call may be on its way."""
LOG: Final = "CUSTODY_LOG"
"""``debug``: a line for each call on standard error; ``trace``: with its bodies. Signatures are in neither."""
_TRIED_AGAIN: Final = (409, 429, 500, 502, 503, 504)
_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_ASKED = 0.5, 5.0, 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    document: Any

    @property
    def was_replayed(self) -> bool:
        """Whether the same was asked for before, under the same key."""
        return self.headers.get("idempotency-replayed") == "true"


@dataclass(slots=True, repr=False)
class Transport:
    """Where the API is and what its calls are signed with. Has no readable ``repr``.

    ``now`` (seconds since 1970) and ``pause`` are for tests.
    """

    url: str
    key: CallKey
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=SECONDS))
    tries_again: int = TRIES_AGAIN
    now: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep

    def call(self, method: str, path: str, *, body: Any = None, key: str | None = None) -> Answer:
        """Make one call; ``path`` begins with a slash. Raises ``ApiError`` and ``InvalidInput``."""
        if not path.startswith("/"):
            # A house that was taken over could name another host where the next page is.
            raise InvalidInput("not a path; accepted begins with a slash", field="path")
        content = b"" if body is None else json.dumps(body).encode()
        tried = 0
        while True:
            try:
                return self._once(method, path, content, key)
            except ApiError as error:
                asked = error.retry_after
                if tried == self.tries_again or not error.retryable or error.status not in (None, *_TRIED_AGAIN):
                    raise
            self.pause(_pause(tried, asked))
            tried += 1

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def _once(self, method: str, path: str, content: bytes, key: str | None) -> Answer:
        headers = {VERSION_HEADER: API_VERSION, **({"Content-Type": "application/json"} if content else {})}
        request = self.http.build_request(method, f"{self.url}{path}", content=content or None, headers=headers)
        request.headers.update(self._signature(request, content, key))
        began = time.monotonic()
        try:
            got = self.http.send(request)
        except httpx2.TransportError as error:
            _log(f"{method} {request.url.path} no answer", began, content)
            never_sent = isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout))
            is_safe = never_sent or method == "GET" or key is not None
            raise HouseUnavailable(
                "does not answer", code="no-answer", retryable=is_safe, idempotency_key=key
            ) from error
        request_id = got.headers.get("request-id")
        _log(f"{method} {request.url.path} {got.status_code} {request_id or '-'}", began, content, got.content)
        document = _json(got.content)
        if got.status_code >= 300:
            found = error_of(got.status_code, document, request_id=request_id, idempotency_key=key)
            found.retry_after = _seconds(got.headers.get("retry-after"))
            raise found
        return Answer(got.status_code, dict(got.headers), document)

    def _signature(self, request: httpx2.Request, content: bytes, key: str | None) -> dict[str, str]:
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        digest = content_digest(content) if content else None
        call = UnsignedCall(request.method, request.headers["host"].lower(), path, query, digest, key)
        now = int(self.now())
        headers = sign_call(call, self.key, Terms(now, now + GOOD_FOR_SECONDS, secrets.token_urlsafe(24)))
        return headers if key is None else {**headers, "Idempotency-Key": key}


def _pause(tried: int, asked: int | None) -> float:
    if asked is not None:
        return min(asked, _LONGEST_ASKED)
    return float(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**tried) * random.uniform(0.5, 1.0))  # noqa: S311  jitter only


def _json(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return None


def _seconds(header: str | None) -> int | None:
    return int(header) if header is not None and header.isascii() and header.isdigit() else None


def _log(line: str, began: float, *bodies: bytes) -> None:
    level = os.environ.get(LOG, "")
    if level not in ("debug", "trace"):
        return
    lines = [f"custody: {line} {int((time.monotonic() - began) * 1000)} ms"]
    if level == "trace":
        lines += [f"custody:   {body.decode(errors='replace')}" for body in bodies if body]
    sys.stderr.write("\n".join(lines) + "\n")
