"""A client's settings: the environment, and the files it names. Errors name the setting and never what it holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from custody.evidence.calls import CallKey, SharedSecret, SigningKey, read_secret
from custody.evidence.trust_root import SignedTrustRoot, TrustRootRefused, check_first
from custody.kernel.canonical import parse_json
from custody.kernel.errors import InvalidInput
from custody.sdk.memory import SEEN_FILE

URL: Final = "CUSTODY_API_URL"
CALL_KEY: Final = "CUSTODY_API_KEY"
CALL_KEY_FILE: Final = "CUSTODY_API_KEY_FILE"
REQUESTER: Final = "CUSTODY_REQUESTER"
REQUEST_KEY: Final = "CUSTODY_REQUEST_KEY"
REQUEST_KEY_FILE: Final = "CUSTODY_REQUEST_KEY_FILE"
ROOT: Final = "CUSTODY_TRUST_ROOT"
ROOT_FILE: Final = "CUSTODY_TRUST_ROOT_FILE"
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Requester:
    """Who asks for payments: the name, key's name and key that the trust root pins. Has no readable ``repr``."""

    name: str
    key_id: str
    key: Ed25519PrivateKey


@dataclass(frozen=True, slots=True, repr=False)
class ClientSettings:
    """What a client is made with. Has no readable ``repr``."""

    url: str
    key: CallKey
    requester: Requester | None
    root: str
    seen_file: Path | None
    """Where the newest version of the trust root is remembered; ``None``: in the process alone."""


def read_environment(environment: Mapping[str, str]) -> ClientSettings:
    """The settings of ``environment``. Raises ``InvalidInput`` naming the setting.

    ``CUSTODY_API_URL``; ``CUSTODY_API_KEY`` (the key's name) and ``CUSTODY_API_KEY_FILE`` (an Ed25519 key as PEM, or
    a shared secret); ``CUSTODY_TRUST_ROOT`` (its hash), ``CUSTODY_TRUST_ROOT_FILE`` (the ceremony's file) or both,
    which must agree; ``CUSTODY_TRUST_ROOT_SEEN_FILE``, where the newest version seen is remembered; and, to ask for
    anything, ``CUSTODY_REQUESTER``, ``CUSTODY_REQUEST_KEY`` (the key's name) and ``CUSTODY_REQUEST_KEY_FILE``.
    """
    requester = None
    if REQUESTER in environment:
        key = read_private_key(_file(environment, REQUEST_KEY_FILE), field=REQUEST_KEY_FILE)
        requester = Requester(environment[REQUESTER], _text(environment, REQUEST_KEY), key)
    return ClientSettings(
        url=expect_url(_text(environment, URL), field=URL),
        key=read_call_key(_text(environment, CALL_KEY), _file(environment, CALL_KEY_FILE), field=CALL_KEY_FILE),
        requester=requester,
        root=_pin(environment),
        seen_file=Path(environment[SEEN_FILE]) if environment.get(SEEN_FILE) else None,
    )


def read_call_key(name: str, content: bytes, *, field: str) -> CallKey:
    """What calls are signed with under ``name``: an Ed25519 key as PEM, or a shared secret. Raises ``InvalidInput``."""
    if content.startswith(b"-----BEGIN"):
        return SigningKey(name, read_private_key(content, field=field))
    return SharedSecret(name, read_secret(content, field=field))


def read_private_key(content: bytes, *, field: str) -> Ed25519PrivateKey:
    """An Ed25519 key out of a PEM file. Raises ``InvalidInput``."""
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput("holds no key; accepted is Ed25519, PKCS#8 PEM without a passphrase", field=field)
    return key


def expect_url(value: str, *, field: str) -> str:
    """Where the API is, without a slash at the end. Raises ``InvalidInput``."""
    if not value.startswith(("http://", "https://")):
        raise InvalidInput("not an address; accepted begins with http:// or https://", field=field)
    return value.rstrip("/")


def expect_hash(value: str, *, field: str) -> str:
    """The hash of a trust root, as its ceremony printed it. Raises ``InvalidInput``."""
    if _HASH.fullmatch(value) is None:
        raise InvalidInput("not a hash; accepted are 64 digits of lower-case hex", field=field)
    return value


def hash_of_root(content: bytes, *, field: str) -> str:
    """The hash of the trust root in a ceremony's file, which its people signed. Raises ``InvalidInput``."""
    signed = SignedTrustRoot.parse(parse_json(content, field=field), field=field)
    try:
        return check_first(signed).hash
    except TrustRootRefused as error:
        raise InvalidInput(f"is not the file of a ceremony: {error}", field=field) from error


def _pin(environment: Mapping[str, str]) -> str:
    if not environment.get(ROOT_FILE):
        return expect_hash(_text(environment, ROOT), field=ROOT)
    found = hash_of_root(_file(environment, ROOT_FILE), field=ROOT_FILE)
    if environment.get(ROOT) and expect_hash(environment[ROOT], field=ROOT) != found:
        raise InvalidInput(f"holds the trust root {found}, which is not the one of {ROOT}", field=ROOT_FILE)
    return found


def _text(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise InvalidInput("missing", field=name)
    return environment[name]


def _file(environment: Mapping[str, str], name: str) -> bytes:
    try:
        return Path(_text(environment, name)).read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", field=name) from None
