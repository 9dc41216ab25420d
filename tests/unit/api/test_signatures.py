"""Signed calls held to the standard's own examples, to a library by others both ways, and to every bent part."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import ED25519, HMAC_SHA256, HTTPSignatureAlgorithm

from custody.api.signatures.reading import SignedCall, read_signed
from custody.api.signatures.refusals import SignatureRefused
from custody.evidence.calls import (
    CallKey,
    SharedSecret,
    SigningKey,
    Terms,
    UnsignedCall,
    VerifyingKey,
    content_digest,
    sign_call,
    signature_base,
)

# RFC 9421, B.1.4 and B.1.5: test-key-ed25519 and test-shared-secret.
RFC_KEY = Ed25519PrivateKey.from_private_bytes(
    base64.b64decode("MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF")[-32:]
)
RFC_PUBLIC = base64.b64decode("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=")[-32:]
RFC_SECRET = base64.b64decode(
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
)
DATE = ("date", "Tue, 20 Apr 2021 02:07:55 GMT")

NOW = 1_790_000_000
BODY = b'{"request": {}}'
ED = SigningKey("exchange-1", RFC_KEY)
MAC = SharedSecret("exchange-2", RFC_SECRET)
KEYS: list[CallKey] = [ED, MAC]


def test_signs_and_verifies_the_standards_ed25519_example() -> None:
    components = [
        *(DATE, ("@method", "POST"), ("@path", "/foo"), ("@authority", "example.com")),
        *(("content-type", "application/json"), ("content-length", "18")),
    ]
    parameters = (
        '("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"'
    )
    expected = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    base = signature_base(components, parameters)
    assert base64.b64encode(ED.sign(base)).decode() == expected
    assert RFC_KEY.public_key().public_bytes_raw() == RFC_PUBLIC
    assert VerifyingKey(RFC_KEY.public_key()).verifies(base, base64.b64decode(expected))
    assert not VerifyingKey(RFC_KEY.public_key()).verifies(base + b" ", base64.b64decode(expected))


def test_signs_the_standards_shared_secret_example() -> None:
    components = [DATE, ("@authority", "example.com"), ("content-type", "application/json")]
    parameters = '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    expected = base64.b64decode("pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=")
    base = signature_base(components, parameters)
    assert MAC.sign(base) == expected
    assert MAC.verifies(base, expected)
    assert not MAC.verifies(base, expected[:-1] + b"\0")


def test_writes_the_standards_content_digest() -> None:
    assert content_digest(b'{"hello": "world"}') == "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
def test_reads_what_it_signs(key: CallKey) -> None:
    found = read_signed(scope(signed(key)))
    found.expect_fresh(NOW)
    found.expect_body(BODY)
    assert (found.key, found.algorithm, found.nonce) == (key.id, key.algorithm, "n" * 16)
    assert verifies(key, found)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
def test_a_library_by_others_accepts_what_it_signs(key: CallKey) -> None:
    now = int(time.time())
    headers = signed(key, terms=Terms(now, now + 60, "n" * 16))
    request = httpx2.Request("POST", "https://api.example.com/v1/x?a=b", content=BODY, headers=headers)
    found = HTTPMessageVerifier(signature_algorithm=_of(key), key_resolver=_Keys()).verify(
        request, body=BODY, max_age=None, expect_tag="custody-v1"
    )
    assert found[0].parameters["keyid"] == key.id


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
def test_accepts_what_a_library_by_others_signs(key: CallKey) -> None:
    request = httpx2.Request("POST", "https://api.example.com/v1/x?a=b", content=BODY)
    HTTPMessageSigner(signature_algorithm=_of(key), key_resolver=_Keys()).sign(
        request,
        key_id=key.id,
        created=datetime.fromtimestamp(NOW, UTC),
        expires=datetime.fromtimestamp(NOW + 60, UTC),
        nonce="m" * 20,
        tag="custody-v1",
        covered_component_ids=("@query", "@path", "@method", "@authority"),
        body=BODY,
    )
    found = read_signed(scope(dict(request.headers)))
    found.expect_fresh(NOW)
    found.expect_body(BODY)
    assert verifies(key, found)


PARTS: list[tuple[str, Callable[[dict[str, Any]], None]]] = [
    ("@method", lambda call: call.update(method="PUT")),
    ("@authority", lambda call: call["headers"].update(host="other.example.com")),
    ("@path", lambda call: call.update(raw_path=b"/v1/y")),
    ("@query", lambda call: call.update(query_string=b"a=c")),
    ("content-digest", lambda call: call["headers"].update({"content-digest": content_digest(b"other")})),
    ("idempotency-key", lambda call: call["headers"].update({"idempotency-key": "key-2"})),
    ("created", lambda call: _replace(call, f"created={NOW}", f"created={NOW - 1}")),
    ("expires", lambda call: _replace(call, f"expires={NOW + 60}", f"expires={NOW + 61}")),
    ("nonce", lambda call: _replace(call, "n" * 16, "o" * 16)),
    ("order", lambda call: _replace(call, '"@method" "@authority"', '"@authority" "@method"')),
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
@pytest.mark.parametrize(("part", "bend"), PARTS, ids=[part for part, _ in PARTS])
def test_no_signed_part_can_be_another(key: CallKey, part: str, bend: Callable[[dict[str, Any]], None]) -> None:
    call = {"headers": signed(key, idempotency_key="key-1")}
    bend(call)
    assert not verifies(key, read_signed(scope(**call)))


BENT = [
    ("signature-input", "", "signature-input"),
    ("signature-input", "()", "signature-input"),
    ("signature-input", "custody", "signature-input"),
    ('"@method" ', "", "signature-input"),
    ('"@method"', '"@method" "@method"', "signature-input"),
    ('"@method"', '"@method" "date"', "signature-input"),
    ('"@method"', '"@method";req', "signature-input"),
    ('"@method"', "method", "signature-input"),
    (' "content-digest"', "", "signature-input"),
    (f"created={NOW};", "", "created"),
    (f";expires={NOW + 60}", "", "expires"),
    (f';nonce="{"n" * 16}"', "", "nonce"),
    (f'nonce="{"n" * 16}"', 'nonce="short"', "nonce"),
    (';keyid="exchange-1"', "", "keyid"),
    (';alg="ed25519"', "", "alg"),
    (';tag="custody-v1"', "", "tag"),
    ('tag="custody-v1"', 'tag="custody-v2"', "tag"),
    (";tag", ";more;tag", "signature-input"),
    (f"created={NOW}", f"created={NOW};created={NOW}", "signature-input"),
    (f"created={NOW}", 'created="now"', "created"),
    (f"created={NOW}", f"created={NOW}.0", "created"),
    ('keyid="exchange-1"', "keyid=exchange-1", "keyid"),
]


@pytest.mark.parametrize(("old", "new", "field"), BENT, ids=[f"{old[:20]}→{new[:20]}" for old, new, _ in BENT])
def test_refuses_what_is_not_the_profile_by_the_name_of_its_part(old: str, new: str, field: str) -> None:
    headers = signed(ED)
    if old == "signature-input":
        headers["Signature-Input"] = new
    else:
        assert old in headers["Signature-Input"]
        headers["Signature-Input"] = headers["Signature-Input"].replace(old, new)
    with pytest.raises(SignatureRefused) as refused:
        read_signed(scope(headers))
    assert refused.value.field == field
    assert refused.value.code == "call-signature-refused"


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("Signature", "", "signature"),
        ("Signature", "custody=abc", "signature"),
        ("Signature", "other=:YWJj:", "signature"),
        ("Signature", "custody=:YWJj:, second=:YWJj:", "signature"),
        ("Signature", "custody=:YWJj:, custody=:YWJj:", "signature"),
        ("Content-Digest", "sha-512=:YWJj:", "content-digest"),
        ("Content-Digest", "sha-256=:YWJj:, sha-512=:YWJj:", "content-digest"),
        ("Content-Digest", "sha-256=abc", "content-digest"),
    ],
)
def test_refuses_odd_signatures_and_digests(name: str, value: str, field: str) -> None:
    with pytest.raises(SignatureRefused) as refused:
        read_signed(scope(signed(ED) | {name: value}))
    assert refused.value.field == field


def test_refuses_two_headers_of_one_name() -> None:
    found = scope(signed(ED))
    found["headers"].append((b"signature-input", found["headers"][0][1]))
    found["headers"].append((b"host", b"other"))
    with pytest.raises(SignatureRefused, match="accepted is one"):
        read_signed(found)


def test_the_body_is_the_one_that_was_signed() -> None:
    with pytest.raises(SignatureRefused, match="content-digest: is not the digest"):
        read_signed(scope(signed(ED))).expect_body(BODY + b" ")
    bare = UnsignedCall("POST", "api.example.com", "/v1/x", "a=b")
    found = read_signed(scope(sign_call(bare, ED, Terms(NOW, NOW + 60, "n" * 16))))
    found.expect_body(b"")
    with pytest.raises(SignatureRefused, match="content-digest: missing beside a body"):
        found.expect_body(b"x")


@pytest.mark.parametrize(
    ("created", "expires", "field"),
    [
        (NOW - 100, NOW - 31, "expires"),
        (NOW + 31, NOW + 60, "created"),
        (NOW, NOW + 301, "expires"),
        (NOW, NOW, "expires"),
        (NOW, NOW - 1, "expires"),
    ],
)
def test_is_good_for_five_minutes_at_most_and_not_ahead(created: int, expires: int, field: str) -> None:
    found = read_signed(scope(signed(ED, terms=Terms(created, expires, "n" * 16))))
    with pytest.raises(SignatureRefused) as refused:
        found.expect_fresh(NOW)
    assert refused.value.field == field


@pytest.mark.parametrize(("created", "expires"), [(NOW - 100, NOW - 30), (NOW + 30, NOW + 60), (NOW, NOW + 300)])
def test_forgives_thirty_seconds_between_clocks(created: int, expires: int) -> None:
    read_signed(scope(signed(ED, terms=Terms(created, expires, "n" * 16)))).expect_fresh(NOW)


def signed(key: CallKey, *, idempotency_key: str | None = None, terms: Terms | None = None) -> dict[str, str]:
    """The headers of one signed call."""
    call = UnsignedCall("POST", "api.example.com", "/v1/x", "a=b", content_digest(BODY), idempotency_key)
    headers = sign_call(call, key, terms or Terms(NOW, NOW + 60, "n" * 16))
    return headers if idempotency_key is None else {**headers, "Idempotency-Key": idempotency_key}


def scope(headers: dict[str, str], **changes: Any) -> dict[str, Any]:
    """What a server makes of the call."""
    sent = {"host": "API.example.com"} | {name.lower(): value for name, value in headers.items()}
    return {
        "type": "http",
        "method": "POST",
        "path": "/v1/x",
        "raw_path": b"/v1/x",
        "query_string": b"a=b",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        **changes,
    }


def verifies(key: CallKey, call: SignedCall) -> bool:
    """As the house does with the half it has."""
    half = MAC if key is MAC else VerifyingKey(RFC_KEY.public_key())
    return half.verifies(call.base, call.signature)


class _Keys(HTTPSignatureKeyResolver):
    def resolve_public_key(self, key_id: str) -> Any:
        return RFC_SECRET if key_id == MAC.id else RFC_KEY.public_key()

    def resolve_private_key(self, key_id: str) -> Any:
        return RFC_SECRET if key_id == MAC.id else RFC_KEY


def _of(key: CallKey) -> type[HTTPSignatureAlgorithm]:
    return HMAC_SHA256 if key is MAC else ED25519


def _replace(call: dict[str, Any], old: str, new: str) -> None:
    assert old in call["headers"]["Signature-Input"]
    call["headers"]["Signature-Input"] = call["headers"]["Signature-Input"].replace(old, new)
