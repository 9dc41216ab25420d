"""Signing what is pushed as Standard Webhooks says, and keeping the secrets sealed while they lie in the database."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from custody.kernel.canonical import canonical_json
from custody.kernel.errors import Broken

_PURPOSE: Final = b"custody/webhook-secrets/v1"
_HALF: Final = 32
_NONCE: Final = 12


class SecretTampered(Broken):
    """An endpoint's sealed secret does not open: its row was altered, or the seal key is another one."""

    code = "webhook-secret-tampered"


@dataclass(frozen=True, repr=False)
class Secret:
    """What one endpoint's deliveries are signed with, both ways. Has no readable ``repr``."""

    shared: bytes
    """Known to the receiver too: HMAC-SHA256."""
    seed: bytes
    """Known to nobody else: Ed25519."""

    @classmethod
    def fresh(cls) -> Secret:
        """A new one."""
        return cls(os.urandom(_HALF), os.urandom(_HALF))

    @property
    def text(self) -> str:
        """What the receiver keeps: ``whsec_`` and base64."""
        return "whsec_" + base64.b64encode(self.shared).decode()

    @property
    def public_text(self) -> str:
        """What verifies without being able to sign: ``whpk_`` and base64."""
        return "whpk_" + base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    def sign(self, message: bytes) -> str:
        """Both signatures, as they stand in ``webhook-signature``."""
        shared = base64.b64encode(hmac.new(self.shared, message, hashlib.sha256).digest()).decode()
        return f"v1,{shared} v1a,{base64.b64encode(self._key.sign(message)).decode()}"


class Sealer:
    """Seals secrets to the endpoint they belong to: its id, address and client. Has no readable ``repr``."""

    def __init__(self, seal_key: bytes) -> None:
        self._cipher = AESGCM(hmac.new(seal_key, _PURPOSE, hashlib.sha256).digest())

    def seal(self, secret: Secret, *, endpoint: str, url: str, client: str | None) -> bytes:
        """Bytes that tell nothing without the key, and open for this endpoint alone."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, secret.shared + secret.seed, _bound(endpoint, url, client))

    def open(self, sealed: bytes, *, endpoint: str, url: str, client: str | None) -> Secret:
        """The secret. Raises ``SecretTampered``: who writes to the database sends nothing of ours elsewhere."""
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(endpoint, url, client))
        except (InvalidTag, ValueError):
            raise SecretTampered("an endpoint's secret does not open", field="endpoint", endpoint=endpoint) from None
        return Secret(plain[:_HALF], plain[_HALF:])


def signed_headers(event: str, body: bytes, secrets: Sequence[Secret], *, now: datetime) -> dict[str, str]:
    """The three headers of Standard Webhooks; while a secret is being replaced both of them sign."""
    at = str(int(now.timestamp()))
    message = f"{event}.{at}.".encode() + body
    return {
        "webhook-id": event,
        "webhook-timestamp": at,
        "webhook-signature": " ".join(secret.sign(message) for secret in secrets),
    }


def _bound(endpoint: str, url: str, client: str | None) -> bytes:
    return canonical_json([endpoint, url, client])
