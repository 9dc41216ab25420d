"""How this command says who it is: a bearer token out of a file, or a key out of it that signs each call.

With ``CUSTODY_API_KEY``, the key's name in the callers' file, the file holds that key: Ed25519 as PEM, or a shared
secret, as ``custody.sdk`` reads it. Without, it holds a bearer token.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from custody.kernel.errors import InvalidInput

KEY_NAME: Final = "CUSTODY_API_KEY"
FIELD: Final = "token-file"
_GOOD_FOR_SECONDS: Final = 60


class Credential(Protocol):
    """What makes a call ours. Has no readable ``repr``."""

    def headers(self, method: str, url: str, body: bytes | None) -> dict[str, str]:
        """The headers that say who calls ``url``, which is the whole address."""


class Bearer:
    """A token. Has no readable ``repr``."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __repr__(self) -> str:
        return "Bearer"

    def headers(self, method: str, url: str, body: bytes | None) -> dict[str, str]:  # noqa: ARG002  the same for all
        """The token."""
        return {"Authorization": f"Bearer {self._token}"}


class Signed:
    """A call key. Has no readable ``repr``."""

    def __init__(self, name: str, content: bytes) -> None:
        """Raises ``InvalidInput`` for a file that holds no key."""
        from custody.sdk.environment import read_call_key

        self._key = read_call_key(name, content, field=FIELD)

    def __repr__(self) -> str:
        return "Signed"

    def headers(self, method: str, url: str, body: bytes | None) -> dict[str, str]:
        """A signature over this call, good for a minute."""
        import secrets
        import time
        from urllib.parse import urlsplit

        from custody.evidence.calls import Terms, UnsignedCall, content_digest, sign_call

        parts = urlsplit(url)
        authority = parts.netloc.rpartition("@")[2].lower()
        digest = content_digest(body) if body else None
        call = UnsignedCall(method, authority, parts.path or "/", parts.query, digest)
        now = int(time.time())
        return sign_call(call, self._key, Terms(now, now + _GOOD_FOR_SECONDS, secrets.token_urlsafe(24)))


def read_credential(token_file: str, environment: Mapping[str, str] = os.environ) -> Credential:
    """What the file holds. Raises ``InvalidInput``, and OSError for a file that cannot be read."""
    content = Path(token_file).read_bytes()
    if environment.get(KEY_NAME):
        return Signed(environment[KEY_NAME], content)
    if content.startswith(b"-----BEGIN"):
        raise InvalidInput(f"holds a key, and no setting {KEY_NAME} says what it is called", field=FIELD)
    token = content.decode("latin-1").strip()
    if not token.isprintable() or not token.isascii():
        raise InvalidInput("not a token; accepted is one line of ASCII", field=FIELD)
    return Bearer(token)
