"""A client of a house in this process, and a house that lies to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from starlette.testclient import TestClient

from custody.sdk import Client, Requester
from custody.sdk.transport import Transport
from tests.cosigner.builders import key_id, person_key
from tests.integration.api.signing import call_key

URL = "http://testserver"
Tamper = Callable[[str, Any], Any]
"""Path and honest document to what the caller gets instead."""


def requester(name: str = "exchange") -> Requester:
    """Who asks, with the key the trust root pins."""
    return Requester(name, key_id(name), person_key(name))


@dataclass
class Between:
    """What stands between client and house: it may lie, drop answers, and remembers what was sent."""

    http: TestClient
    tamper: Tamper | None = None
    drop: list[Exception | int] = field(default_factory=list)
    """What the next calls meet instead of the house."""
    sent: list[httpx2.Request] = field(default_factory=list)
    paused: list[float] = field(default_factory=list)

    def build_request(self, *given: Any, **named: Any) -> httpx2.Request:
        return self.http.build_request(*given, **named)

    def send(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(request)
        if self.drop:
            met = self.drop.pop(0)
            if isinstance(met, Exception):
                raise met
            document = {"code": "unavailable", "detail": "later", "retryable": True, "request_id": "req_x"}
            return httpx2.Response(met, json=document, headers={"Retry-After": "7"}, request=request)
        got = self.http.send(request)
        if self.tamper is None or got.status_code >= 400:
            return got
        document = self.tamper(request.url.path, json.loads(got.content))
        return httpx2.Response(got.status_code, json=document, request=request)

    def close(self) -> None:
        self.http.close()


def client_of(
    http: TestClient, root: str, *, name: str = "shop", who: Requester | None = None, seen_file: Path | None = None
) -> tuple[Client, Between]:
    """A client that signs its calls as ``name`` and asks as the exchange; pauses cost no time."""
    between = Between(http)
    transport = Transport(URL, call_key(name), http=between, pause=between.paused.append)  # type: ignore[arg-type]
    chosen = {"key": call_key(name), "root": root, "requester": who or requester(), "seen_file": seen_file}
    return Client(URL, **chosen, transport=transport), between
