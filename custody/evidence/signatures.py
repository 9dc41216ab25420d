"""Ed25519 signatures (RFC 8032) by people and back ends, and the shape a signature travels in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from custody.evidence import fields


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A pinned Ed25519 public key and the name it is known by."""

    id: str
    public_key: str
    """32 bytes, lower-case hex."""

    @classmethod
    def parse(cls, value: object, *, field: str) -> PublicKey:
        """Read ``{id, algorithm: ed25519, public_key}``. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("id", "algorithm", "public_key"), field=field)
        fields.one_of(found["algorithm"], ("ed25519",), field=f"{field}.algorithm")
        return cls(
            id=fields.name(found["id"], field=f"{field}.id"),
            public_key=fields.hexadecimal(found["public_key"], field=f"{field}.public_key", length=32),
        )

    def to_json(self) -> dict[str, str]:
        """The object ``parse`` reads."""
        return {"id": self.id, "algorithm": "ed25519", "public_key": self.public_key}

    def verifies(self, message: bytes, signature: str) -> bool:
        """Whether ``signature`` (hex) is this key's over ``message``."""
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public_key)).verify(bytes.fromhex(signature), message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    """Which key signed, and the signature: Ed25519 (64 bytes) or, for cosigners' account keys, DER ECDSA."""

    key: str
    signature: str

    @classmethod
    def parse(cls, value: object, *, field: str) -> Signature:
        """Read ``{key, signature}``. Raises ``InvalidInput``."""
        found = fields.exact_object(value, ("key", "signature"), field=field)
        return cls(
            key=fields.name(found["key"], field=f"{field}.key"),
            signature=fields.hexadecimal(found["signature"], field=f"{field}.signature"),
        )

    def to_json(self) -> dict[str, str]:
        """The object ``parse`` reads."""
        return {"key": self.key, "signature": self.signature}


def sign_ed25519(private_key: Ed25519PrivateKey, key_id: str, message: bytes) -> Signature:
    """Sign ``message`` under the name ``key_id``: for requesters' and operators' own programs."""
    return Signature(key=key_id, signature=private_key.sign(message).hex())


def public_half(private_key: Ed25519PrivateKey, key_id: str) -> PublicKey:
    """The public key to pin for ``private_key``."""
    return PublicKey(id=key_id, public_key=private_key.public_key().public_bytes_raw().hex())


def find_key(keys: Mapping[str, PublicKey] | tuple[PublicKey, ...], key_id: str) -> PublicKey | None:
    """The key named ``key_id``, or None."""
    found: Any = keys.values() if isinstance(keys, Mapping) else keys
    return next((key for key in found if key.id == key_id), None)
