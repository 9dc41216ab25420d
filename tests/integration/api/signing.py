"""Callers that sign their calls, beside the usual ones with tokens."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.testclient import TestClient

from custody.api.app import application
from custody.api.auth import Callers
from custody.evidence.calls import CallKey, SharedSecret, SigningKey, Terms, UnsignedCall, content_digest, sign_call
from tests.integration.api.callers import TOKENS
from tests.support.world import House

SECRET = hashlib.sha256(b"a secret of two").digest()


def call_key(name: str) -> SigningKey:
    """An Ed25519 key that is the same in every run."""
    return SigningKey(f"{name}-call", Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()))


def shared(name: str) -> SharedSecret:
    """A shared secret's holder."""
    return SharedSecret(f"{name}-call", SECRET)


def row(name: str, role: str = "requester", **narrowed: Any) -> dict[str, Any]:
    """One line of the callers' file, for ``call_key(name)``."""
    public = call_key(name).key.public_key().public_bytes_raw().hex()
    return {"name": name, "role": role, "key": f"{name}-call", "ed25519": public, **narrowed}


@contextmanager
def serving_rows(house: House, folder: Path, *rows: dict[str, Any], **client: Any) -> Iterator[TestClient]:
    """The house's API, answering these callers and the usual ones."""
    tokens = [
        {"name": name, "role": role, "token_sha256": hashlib.sha256(token.encode()).hexdigest()}
        for name, (role, token) in TOKENS.items()
    ]
    (folder / "secret").write_bytes(SECRET)
    path = folder / "signing.json"
    path.write_text(json.dumps({"callers": [*tokens, *rows]}))
    with TestClient(application(house.runtime, Callers.load(path)), raise_server_exceptions=False, **client) as found:
        yield found


@dataclass
class Signer:
    """One caller's view of the API, every call signed. With ``headers`` of an earlier one it is sent again."""

    client: TestClient
    key: CallKey
    sent: dict[str, str] = field(default_factory=dict)
    """The headers of the last call."""

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = options.pop("headers", None) or self.signed(method, path, content, **options.pop("said", {}))
        self.sent = headers
        return self.client.request(method, path, content=content, headers=headers, **options)

    def signed(self, method: str, path: str, content: bytes, **said: Any) -> dict[str, str]:
        """The headers of one call."""
        now = int(time.time())
        bare, _, query = path.partition("?")
        key = said.pop("idempotency_key", None)
        authority = said.pop("authority", "testserver")
        call = UnsignedCall(method, authority, bare, query, content_digest(content) if content else None, key)
        headers = sign_call(
            call, self.key, Terms(**{"created": now, "expires": now + 60, "nonce": secrets.token_hex(16)} | said)
        )
        return headers if key is None else {**headers, "Idempotency-Key": key}
