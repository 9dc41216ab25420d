"""Passkeys: a WebAuthn assertion (W3C WebAuthn Level 2, §7.2) over a statement's hash, checked without a server.

A cosigner checks an approval offline, so the few bytes that matter are read here: which site the browser was on, that
the person was verified, and the signature. Keys are ES256 (P-256, SHA-256), the algorithm every authenticator has.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from custody.evidence import fields
from custody.kernel.canonical import digest, parse_json
from custody.kernel.errors import InvalidInput, Refused

_USER_PRESENT: Final = 0x01
_USER_VERIFIED: Final = 0x04
_MAY_BE_BACKED_UP: Final = 0x08
_IS_BACKED_UP: Final = 0x10
_HEADER: Final = 37
"""Bytes of authenticator data before any extension: hash of the rpId, flags, counter."""


class AssertionRefused(Refused):
    """An assertion does not prove that this person agreed to this on our console. ``field`` says which part.

    ``facts["reason"]`` is a word for the audit log that stands for one check and no other.
    """

    code = "assertion-refused"


@dataclass(frozen=True, slots=True)
class Console:
    """Where passkeys may be used: the origin of the console and its relying party id."""

    origin: str
    rp_id: str

    def to_json(self) -> dict[str, str]:
        """The object in the trust root."""
        return {"origin": self.origin, "rp_id": self.rp_id}

    @classmethod
    def parse(cls, value: object, *, field: str) -> Console:
        """Read it. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("origin", "rp_id"), field=field)
        return cls(
            origin=fields.text(found["origin"], field=f"{field}.origin"),
            rp_id=fields.text(found["rp_id"], field=f"{field}.rp_id"),
        )


@dataclass(frozen=True, slots=True)
class Credential:
    """A pinned passkey: its id as the authenticator names it, and its public key."""

    id: str
    """Base64url without padding, as browsers write it."""
    public_key: str
    """Uncompressed P-256 point, 65 bytes, lower-case hex."""

    @property
    def fingerprint(self) -> str:
        """Hex digest of id and key: what two people compare before the passkey is put into a trust root."""
        return digest("passkey", self.to_json())

    def to_json(self) -> dict[str, str]:
        """The object ``parse`` reads."""
        return {"id": self.id, "algorithm": "es256", "public_key": self.public_key}

    @classmethod
    def parse(cls, value: object, *, field: str) -> Credential:
        """Read ``{id, algorithm: es256, public_key}``. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("id", "algorithm", "public_key"), field=field)
        fields.one_of(found["algorithm"], ("es256",), field=f"{field}.algorithm")
        credential = cls(
            id=_credential_id(found["id"], field=f"{field}.id"),
            public_key=fields.hexadecimal(found["public_key"], field=f"{field}.public_key", length=65),
        )
        credential.key(field=f"{field}.public_key")
        return credential

    def key(self, *, field: str = "public_key") -> ec.EllipticCurvePublicKey:
        """The point, checked to be on the curve. Raises ``InvalidInput``."""
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(self.public_key))
        except ValueError as error:
            raise InvalidInput("not a point of P-256", field=field) from error


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an authenticator answered, as bytes in hex."""

    credential: str
    authenticator_data: str
    client_data: str
    """The JSON text the browser made, exactly as it was signed."""
    signature: str

    @property
    def key(self) -> str:
        """The credential's id, under the name signatures use."""
        return self.credential

    @property
    def sign_count(self) -> int:
        """The authenticator's counter; 0 where it keeps none."""
        return int.from_bytes(bytes.fromhex(self.authenticator_data)[33:_HEADER], "big")

    def to_json(self) -> dict[str, str]:
        """The object ``parse`` reads."""
        return {
            "credential": self.credential,
            "authenticator_data": self.authenticator_data,
            "client_data": self.client_data,
            "signature": self.signature,
        }

    @classmethod
    def parse(cls, value: object, *, field: str) -> Assertion:
        """Read it. Raises ``InvalidInput``."""
        keys = ("credential", "authenticator_data", "client_data", "signature")
        found = fields.exact_object(value, keys, field=field)
        return cls(
            credential=_credential_id(found["credential"], field=f"{field}.credential"),
            authenticator_data=fields.hexadecimal(found["authenticator_data"], field=f"{field}.authenticator_data"),
            client_data=fields.hexadecimal(found["client_data"], field=f"{field}.client_data"),
            signature=fields.hexadecimal(found["signature"], field=f"{field}.signature"),
        )


def check_assertion(assertion: Assertion, credential: Credential, *, challenge: bytes, console: Console) -> None:
    """Raise ``AssertionRefused`` unless ``credential`` answered ``challenge`` on our console, its person verified.

    Whether an answer was used before, and the counter, are for who keeps a record: this function has no memory.
    """
    if assertion.credential != credential.id:
        raise _refused("other-passkey", "is by another passkey", "credential")
    client = bytes.fromhex(assertion.client_data)
    _check_client(client, challenge, console)
    authenticator = bytes.fromhex(assertion.authenticator_data)
    _check_authenticator(authenticator, console)
    signed = authenticator + hashlib.sha256(client).digest()
    try:
        credential.key().verify(bytes.fromhex(assertion.signature), signed, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError) as error:
        raise _refused("signature", "does not verify", "signature") from error


def base64url(raw: bytes) -> str:
    """Without padding, as WebAuthn writes bytes."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str, *, field: str) -> bytes:
    """Bytes of a canonical base64url text without padding. Raises ``InvalidInput``."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise InvalidInput("not base64url", field=field) from error
    if base64url(raw) != text:
        raise InvalidInput("not canonical base64url without padding", field=field)
    return raw


def _check_client(client: bytes, challenge: bytes, console: Console) -> None:
    try:
        said: Any = parse_json(client, field="assertion.client_data", limit_bytes=4_096)
    except InvalidInput as error:
        raise _refused("client-data", "is not what a browser writes", "client_data") from error
    if not isinstance(said, dict) or said.get("type") != "webauthn.get":
        raise _refused("type", "is not an answer to a request for approval", "client_data.type")
    _check_challenge(said.get("challenge"), base64url(challenge))
    if said.get("origin") != console.origin:
        raise _refused("origin", "was given on another site", "client_data.origin")
    if said.get("crossOrigin", False) is not False or "topOrigin" in said:
        raise _refused("cross-origin", "was given inside another site's page", "client_data.crossOrigin")


def _check_challenge(said: object, expected: str) -> None:
    if said == expected:
        return
    if isinstance(said, str) and expected.startswith(said):
        raise _refused("challenge-truncated", "answers only a part of the statement's hash", "client_data.challenge")
    raise _refused("challenge-unknown", "answers another statement", "client_data.challenge")


def _check_authenticator(data: bytes, console: Console) -> None:
    if len(data) < _HEADER:
        raise _refused("authenticator-data", "is too short", "authenticator_data")
    if data[:32] != hashlib.sha256(console.rp_id.encode()).digest():
        raise _refused("relying-party", "is for another relying party", "authenticator_data.rp_id")
    if not data[32] & _USER_PRESENT:
        raise _refused("nobody-present", "says nobody was present", "authenticator_data.flags")
    if not data[32] & _USER_VERIFIED:
        raise _refused("not-verified", "says the person was not verified", "authenticator_data.flags")
    if data[32] & _IS_BACKED_UP and not data[32] & _MAY_BE_BACKED_UP:
        raise _refused("backup-flags", "says it is backed up and cannot be", "authenticator_data.flags")


def _refused(reason: str, message: str, part: str) -> AssertionRefused:
    return AssertionRefused(message, field=f"assertion.{part}", reason=reason)


def _credential_id(value: object, *, field: str) -> str:
    text = fields.text(value, field=field, limit=1_400)
    if not 16 <= len(from_base64url(text, field=field)) <= 1_023:
        raise InvalidInput("not 16 to 1023 bytes in base64url", field=field)
    return text
