"""Reading a signed call (RFC 9421) strictly: one signature, exactly the parts of the profile, each once, none more.

Whatever else HTTP Message Signatures could say is refused by the name of its part. Nothing is looked up here.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import http_sf
from starlette.datastructures import Headers
from starlette.types import Scope

from custody.api.signatures.refusals import SignatureRefused
from custody.evidence.calls import (
    ALWAYS,
    CONTENT_DIGEST,
    IDEMPOTENCY_KEY,
    LIFETIME_SECONDS,
    PARAMETERS,
    TAG,
    signature_base,
)

INPUT: Final = "signature-input"
SIGNATURE: Final = "signature"
SKEW_SECONDS: Final = 30
"""How far a caller's clock may be from ours."""
_NONCE: Final = re.compile(r"[A-Za-z0-9+/=_-]{16,128}", re.ASCII)
_LONGEST_HEADER: Final = 4_096


@dataclass(frozen=True, slots=True)
class SignedCall:
    """One call's signature, read and not yet verified."""

    key: str
    algorithm: str
    authority: str
    """The house it was made for, as its caller names it."""
    created: int
    expires: int
    nonce: str
    base: bytes
    """What was signed, put together from the call itself."""
    signature: bytes
    digest: bytes | None
    """SHA-256 that the body must have; ``None`` where none was signed, so there must be no body."""

    def expect_for(self, names: Collection[str]) -> None:
        """Refuse a call that was made for another house. Raises ``SignatureRefused``."""
        if self.authority not in names:
            raise SignatureRefused("is none of this house's names; CUSTODY_API_NAMES says them", field="@authority")

    def expect_fresh(self, now: int) -> None:
        """Refuse what is not yet, no more, or too long good at ``now`` (seconds). Raises ``SignatureRefused``."""
        if not 0 < self.expires - self.created <= LIFETIME_SECONDS:
            raise SignatureRefused(f"accepted is 1 to {LIFETIME_SECONDS} seconds after created", field="expires")
        if self.created > now + SKEW_SECONDS:
            raise SignatureRefused("lies ahead of this house's clock", field="created")
        if self.expires < now - SKEW_SECONDS:
            raise SignatureRefused("is over by this house's clock", field="expires")

    @property
    def forgotten_at(self) -> int:
        """When it can no longer be fresh, so that its nonce need not be known any more."""
        return self.expires + SKEW_SECONDS + 1

    def expect_body(self, body: bytes) -> None:
        """The body is the one that was signed. Raises ``SignatureRefused``."""
        if self.digest is None:
            if body:
                raise SignatureRefused("missing beside a body; accepted is sha-256, signed", field=CONTENT_DIGEST)
        elif not hmac.compare_digest(hashlib.sha256(body).digest(), self.digest):
            raise SignatureRefused("is not the digest of the body that came", field=CONTENT_DIGEST)


def is_signed(headers: Headers) -> bool:
    """Whether the call claims to be signed."""
    return INPUT in headers or SIGNATURE in headers


def read_signed(scope: Scope) -> SignedCall:
    """The signature of the HTTP call ``scope`` (ASGI). Raises ``SignatureRefused`` naming the part that is wrong."""
    headers = Headers(scope=scope)
    label, covered, parameters, text = _input(headers)
    expected = _expected(headers)
    if len(set(covered)) != len(covered):
        raise SignatureRefused("covers a part twice", field=INPUT)
    for name in expected:
        if name not in covered:
            raise SignatureRefused(f"does not cover {name}", field=INPUT)
    for name in covered:
        if name not in expected:
            raise SignatureRefused(f"covers more than the profile; accepted are {', '.join(expected)}", field=INPUT)
    values = _values(scope, headers)
    return SignedCall(
        key=_text(parameters, "keyid"),
        algorithm=_text(parameters, "alg"),
        authority=values["@authority"],
        created=_seconds(parameters, "created"),
        expires=_seconds(parameters, "expires"),
        nonce=_nonce(parameters),
        base=signature_base([(name, values[name]) for name in covered], text),
        signature=_signature(headers, label),
        digest=_digest(headers),
    )


def _input(headers: Headers) -> tuple[str, list[str], dict[str, Any], str]:
    """Label, names covered, parameters, and the parameters' text as it is signed."""
    found = _dictionary(headers, INPUT)
    if len(found) != 1:
        raise SignatureRefused("accepted is one signature", field=INPUT)
    label, value = next(iter(found.items()))
    if not isinstance(value, tuple) or not isinstance(value[0], list):
        raise SignatureRefused("not a list of what is covered", field=INPUT)
    for name, flags in value[0]:
        if not isinstance(name, str) or type(name) is not str or flags:
            raise SignatureRefused("names a part in a way the profile has not", field=INPUT)
    parameters = value[1]
    for name in PARAMETERS:
        if name not in parameters:
            raise SignatureRefused("missing among the signature's parameters", field=name)
    if len(parameters) != len(PARAMETERS):
        raise SignatureRefused(f"has other parameters; accepted are {', '.join(PARAMETERS)}", field=INPUT)
    if _text(parameters, "tag") != TAG:
        raise SignatureRefused(f"accepted is {TAG}", field="tag")
    return label, [name for name, _ in value[0]], parameters, http_sf.ser(found).partition("=")[2]


def _expected(headers: Headers) -> list[str]:
    return [*ALWAYS, *(name for name in (CONTENT_DIGEST, IDEMPOTENCY_KEY) if name in headers)]


def _values(scope: Scope, headers: Headers) -> dict[str, str]:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    values = {
        "@method": scope["method"],
        "@authority": _one(headers, "host").lower(),
        "@path": raw.partition(b"?")[0].decode("latin-1"),
        "@query": "?" + query.decode("latin-1"),
    }
    return values | {name: _one(headers, name) for name in (CONTENT_DIGEST, IDEMPOTENCY_KEY) if name in headers}


def _one(headers: Headers, name: str) -> str:
    found = headers.getlist(name)
    if len(found) != 1:
        raise SignatureRefused(f"accepted is one {name} header", field=name)
    if len(found[0]) > _LONGEST_HEADER:
        raise SignatureRefused(f"accepted are at most {_LONGEST_HEADER} characters", field=name)
    return found[0].strip()


def _dictionary(headers: Headers, name: str) -> dict[str, Any]:
    def twice(_key: str, _where: str) -> None:
        raise SignatureRefused("says something twice", field=name)

    try:
        found = http_sf.parse(_one(headers, name).encode("latin-1"), tltype="dictionary", on_duplicate_key=twice)
    except ValueError:
        raise SignatureRefused("not a dictionary of RFC 8941", field=name) from None
    return found if isinstance(found, dict) else {}


def _signature(headers: Headers, label: str) -> bytes:
    found = _dictionary(headers, SIGNATURE)
    if list(found) != [label]:
        raise SignatureRefused(f"accepted is one, of the same name as in {INPUT}", field=SIGNATURE)
    return _bytes(found[label], SIGNATURE)


def _digest(headers: Headers) -> bytes | None:
    if CONTENT_DIGEST not in headers:
        return None
    found = _dictionary(headers, CONTENT_DIGEST)
    if list(found) != ["sha-256"]:
        raise SignatureRefused("accepted is sha-256 alone", field=CONTENT_DIGEST)
    return _bytes(found["sha-256"], CONTENT_DIGEST)


def _bytes(item: Any, field: str) -> bytes:
    if not isinstance(item, tuple) or not isinstance(item[0], bytes) or item[1]:
        raise SignatureRefused("not bytes in colons", field=field)
    return item[0]


def _text(parameters: dict[str, Any], name: str) -> str:
    if type(parameters[name]) is not str:
        raise SignatureRefused("not a string", field=name)
    return str(parameters[name])


def _seconds(parameters: dict[str, Any], name: str) -> int:
    if type(parameters[name]) is not int:
        raise SignatureRefused("not a whole number of seconds", field=name)
    return int(parameters[name])


def _nonce(parameters: dict[str, Any]) -> str:
    found = _text(parameters, "nonce")
    if _NONCE.fullmatch(found) is None:
        raise SignatureRefused("accepted are 16 to 128 letters, digits and +/=_-", field="nonce")
    return found
