"""One call of the API as its caller signs it: HTTP Message Signatures (RFC 9421) in the one profile there is.

Signed are the method, the authority, the path and the query, the body by its digest (RFC 9530) and the idempotency
key where there is one. The scheme is not: behind a proxy that ends TLS the house cannot see it, and would have to
believe a header. The signature says who calls and nothing else; what becomes an intent is signed by itself besides.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from custody.kernel.errors import InvalidInput

TAG: Final = "custody-v1"
API_VERSION: Final = "2026-11-01"
"""The one dated contract that calls are made for and answered by."""
VERSION_HEADER: Final = "Custody-Version"
LIFETIME_SECONDS: Final = 300
"""The longest a signed call may be good for."""
ALWAYS: Final = ("@method", "@authority", "@path", "@query")
"""What every call's signature covers."""
CONTENT_DIGEST: Final = "content-digest"
IDEMPOTENCY_KEY: Final = "idempotency-key"
PARAMETERS: Final = ("created", "expires", "nonce", "keyid", "alg", "tag")
ED25519: Final = "ed25519"
HMAC_SHA256: Final = "hmac-sha256"
LEAST_SECRET_BYTES: Final = 32
_LABEL: Final = "custody"


@dataclass(frozen=True, slots=True)
class UnsignedCall:
    """What is signed of one call."""

    method: str
    authority: str
    """Host and, where it is not the scheme's own, port: the Host header in lower case."""
    path: str
    """As it stands in the request line, percent-encoded."""
    query: str
    """What follows the question mark, as it stands; empty without one."""
    digest: str | None = None
    """The Content-Digest header; ``None`` without a body."""
    idempotency_key: str | None = None

    def components(self) -> list[tuple[str, str]]:
        """Name and value of each part that is signed, in the order this house signs them."""
        found = [
            ("@method", self.method),
            ("@authority", self.authority),
            ("@path", self.path),
            ("@query", f"?{self.query}"),
        ]
        if self.digest is not None:
            found.append((CONTENT_DIGEST, self.digest))
        if self.idempotency_key is not None:
            found.append((IDEMPOTENCY_KEY, self.idempotency_key))
        return found


@dataclass(frozen=True, slots=True)
class Terms:
    """What a signature says of itself. Times are whole seconds since 1970, UTC."""

    created: int
    expires: int
    nonce: str

    def text(self, covered: Iterable[str], *, key: str, algorithm: str) -> str:
        """The signature's parameters as they are signed and sent."""
        names = " ".join(f'"{name}"' for name in covered)
        return (
            f'({names});created={self.created};expires={self.expires};nonce="{self.nonce}"'
            f';keyid="{key}";alg="{algorithm}";tag="{TAG}"'
        )


class CallKey(Protocol):
    """What a caller signs its calls with. Has no readable ``repr``."""

    @property
    def id(self) -> str:
        """The name the house knows it by."""

    @property
    def algorithm(self) -> str:
        """``ed25519`` or ``hmac-sha256``."""

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``."""


class CallVerifier(Protocol):
    """What the house knows of a caller's key."""

    @property
    def algorithm(self) -> str:
        """``ed25519`` or ``hmac-sha256``."""

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's over ``message``."""


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """An Ed25519 key of a caller."""

    id: str
    key: Ed25519PrivateKey
    algorithm: str = ED25519

    def sign(self, message: bytes) -> bytes:
        """64 bytes (RFC 8032)."""
        return self.key.sign(message)


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """The public half of one."""

    key: Ed25519PublicKey
    algorithm: str = ED25519

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the private half signed ``message``."""
        try:
            self.key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True, repr=False)
class SharedSecret:
    """A secret that caller and house share, for callers who have no Ed25519."""

    id: str
    secret: bytes
    algorithm: str = HMAC_SHA256

    def sign(self, message: bytes) -> bytes:
        """32 bytes (RFC 2104 with SHA-256)."""
        return hmac.digest(self.secret, message, "sha256")

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Compared in constant time."""
        return hmac.compare_digest(self.sign(message), signature)


def read_secret(content: bytes, *, field: str) -> bytes:
    """A shared secret out of a file: its bytes as they stand, without a final line break. Raises ``InvalidInput``."""
    secret = content.rstrip(b"\r\n")
    if len(secret) < LEAST_SECRET_BYTES:
        raise InvalidInput(f"too short; accepted are {LEAST_SECRET_BYTES} random bytes or more", field=field)
    return secret


def content_digest(body: bytes) -> str:
    """The Content-Digest header of ``body``: SHA-256 and no other."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def signature_base(components: Iterable[tuple[str, str]], parameters: str) -> bytes:
    """The exact bytes that are signed (RFC 9421, 2.5): a line for each component, and the parameters."""
    lines = [f'"{name}": {value}' for name, value in components]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode("latin-1")


def sign_call(call: UnsignedCall, key: CallKey, terms: Terms) -> dict[str, str]:
    """The headers that sign ``call``: Signature-Input, Signature, and Content-Digest where it has a body."""
    components = call.components()
    parameters = terms.text([name for name, _ in components], key=key.id, algorithm=key.algorithm)
    signature = base64.b64encode(key.sign(signature_base(components, parameters))).decode()
    headers = {"Signature-Input": f"{_LABEL}={parameters}", "Signature": f"{_LABEL}=:{signature}:"}
    if call.digest is not None:
        headers["Content-Digest"] = call.digest
    return headers
