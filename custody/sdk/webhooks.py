"""Webhooks on the receiver's side: one call says whether a delivery is the house's, and what it tells."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from custody.kernel.errors import InvalidInput
from custody.sdk.objects import Event

TOLERANCE_SECONDS: Final = 300
"""How far a delivery's time may be from ours."""
SECRET: Final = "whsec_"  # noqa: S105  what a secret begins with
PUBLIC_KEY: Final = "whpk_"


class NotTheHouses(Exception):
    """A delivery is not signed by the house, is too old, or says nothing. Answer 400, and do nothing."""


class KnownAlready(Exception):
    """It came before: answer 2xx and do nothing."""


class Deliveries:
    """One endpoint's deliveries, each taken once. Remembers the newest ids in this process alone."""

    def __init__(self, secret: str, *, remembered: int = 10_000) -> None:
        self._secret, self._remembered = secret, remembered
        self._seen: OrderedDict[str, None] = OrderedDict()

    def take(self, headers: Mapping[str, str], body: bytes, *, now: float | None = None) -> Event:
        """The event, the first time. Raises ``KnownAlready``, and as ``verify`` does."""
        event = verify(headers, body, self._secret, now=now)
        if event.id in self._seen:
            raise KnownAlready("this delivery came before")
        self._seen[event.id] = None
        while len(self._seen) > self._remembered:
            self._seen.popitem(last=False)
        return event


def verify(headers: Mapping[str, str], body: bytes, secret: str, *, now: float | None = None) -> Event:
    """The event of a delivery, by Standard Webhooks, also where it came as a CloudEvent.

    ``secret`` is ``whsec_…`` or the public key ``whpk_…``.
    ``body`` is the exact bytes that came; ``now`` is seconds since 1970. Raises ``NotTheHouses``, and
    ``InvalidInput`` for a secret that is none.
    """
    check(headers, body, secret, now=now)
    try:
        told = json.loads(body)
        return Event.of(told["data"] if "specversion" in told else told)
    except (ValueError, KeyError, TypeError) as error:
        raise NotTheHouses("signed, and no event") from error


def check(headers: Mapping[str, str], body: bytes, secret: str, *, now: float | None = None) -> None:
    """The signature and the time alone. Raises as ``verify`` does."""
    given = {name.lower(): value for name, value in headers.items()}
    identity, at, signatures = (given.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not identity or not (at.isascii() and at.isdigit() and len(at) <= 12):
        raise NotTheHouses("webhook-id or webhook-timestamp is missing")
    if abs((time.time() if now is None else now) - int(at)) > TOLERANCE_SECONDS:
        raise NotTheHouses("webhook-timestamp is more than five minutes away")
    message = f"{identity}.{at}.".encode() + body
    kind, key = _key(secret)
    said = [each.partition(",")[2] for each in signatures.split(" ") if each.startswith(f"{kind},")]
    if not any(_is_by(kind, key, message, each) for each in said):
        raise NotTheHouses("no signature is by this secret")


def _key(secret: str) -> tuple[str, bytes]:
    kind = "v1a" if secret.startswith(PUBLIC_KEY) else "v1"
    text = secret.removeprefix(PUBLIC_KEY).removeprefix(SECRET)
    key = _decoded(text + "=" * (-len(text) % 4))
    if not key or (kind == "v1a" and len(key) != 32):
        raise InvalidInput(f"not a secret; accepted is {SECRET}… or {PUBLIC_KEY}… in base64", field="secret")
    return kind, key


def _is_by(kind: str, key: bytes, message: bytes, signature: str) -> bool:
    given = _decoded(signature)
    if kind == "v1":
        return hmac.compare_digest(hmac.digest(key, message, "sha256"), given)
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(given, message)
    except InvalidSignature:
        return False
    return True


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
