"""Receiving webhooks: an event is read only once its signature, its time and its newness are proved."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from custody.kernel.canonical import parse_json
from custody.kernel.errors import InvalidInput

TOLERANCE_SECONDS: Final = 300
_REMEMBERED: Final = 10_000


class NotOurs(Exception):
    """What came is no delivery of the house's: not signed, altered, too old, or no event."""


class KnownAlready(Exception):
    """It came before: answer 2xx and do nothing."""


@dataclass(frozen=True, slots=True)
class Received:
    """One event that was proved."""

    id: str
    type: str
    kind: str
    subject: str
    version: int
    data: Mapping[str, Any] | None
    """The object at that version; None where the endpoint's payload is thin."""
    document: Mapping[str, Any]


class WebhookReceiver:
    """Checks deliveries against one endpoint's keys, and remembers the newest ids. Not shared between processes.

    ``keys`` are secrets (``whsec_…``) or public keys (``whpk_…``); while a secret is being replaced, both of them.
    """

    def __init__(self, *keys: str, tolerance_seconds: int = TOLERANCE_SECONDS) -> None:
        if not keys:
            raise ValueError("accepted is one key at least")
        self._keys = [_key(text) for text in keys]
        self._tolerance = tolerance_seconds
        self._seen: OrderedDict[str, None] = OrderedDict()

    def receive(self, headers: Mapping[str, str], body: bytes, *, now: float) -> Received:
        """The event of a delivery, once. ``now`` is seconds since 1970. Raises ``NotOurs`` or ``KnownAlready``."""
        event = construct_event(headers, body, self._keys, now=now, tolerance_seconds=self._tolerance)
        if event.id in self._seen:
            raise KnownAlready("this delivery came before")
        self._seen[event.id] = None
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return event


Key = bytes | Ed25519PublicKey
"""Of a secret, or a public key."""


def construct_event(
    headers: Mapping[str, str],
    body: bytes,
    keys: list[Key],
    *,
    now: float,
    tolerance_seconds: int = TOLERANCE_SECONDS,
) -> Received:
    """Prove a delivery by its signature and time, and read it. Raises ``NotOurs``; remembers nothing."""
    given = {name.lower(): value for name, value in headers.items()}
    identity, at = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not (at.isascii() and at.isdigit() and len(at) < 13) or abs(now - int(at)) > tolerance_seconds:
        raise NotOurs("its time is missing or too far from now")
    message = f"{identity}.{at}.".encode() + body
    said = given.get("webhook-signature", "").split(" ")
    if not any(_is_signed(message, each, key) for each in said for key in keys):
        raise NotOurs("no signature of it is by a key of this endpoint")
    return _read(identity, body)


def _read(identity: str, body: bytes) -> Received:
    try:
        document = parse_json(body, field="body")
        thing = document["object"]
        found = Received(
            id=identity,
            type=document["type"],
            kind=thing["kind"],
            subject=thing["id"],
            version=thing["version"],
            data=document.get("data"),
            document=document,
        )
    except (InvalidInput, KeyError, TypeError, AttributeError):
        raise NotOurs("is no event") from None
    if document.get("id") != identity:
        raise NotOurs("is another event than its header says")
    return found


def _key(text: str) -> Key:
    for prefix in ("whsec_", "whpk_"):
        if text.startswith(prefix):
            try:
                plain = base64.b64decode(text.removeprefix(prefix), validate=True)
                return plain if prefix == "whsec_" else Ed25519PublicKey.from_public_bytes(plain)
            except (binascii.Error, ValueError):
                break
    raise ValueError("not a key of a webhook endpoint; accepted is whsec_ or whpk_ and base64")


def _is_signed(message: bytes, said: str, key: Key) -> bool:
    version, _, text = said.partition(",")
    try:
        signature = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    if isinstance(key, bytes):
        return version == "v1" and hmac.compare_digest(hmac.new(key, message, hashlib.sha256).digest(), signature)
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return version == "v1a"
