"""Canonical JSON (RFC 8785) and the digest rule: SHA-256 of a domain tag, a zero byte and the canonical bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import rfc8785

from custody.kernel.errors import InvalidInput


def canonical_json(value: Any) -> bytes:
    """RFC 8785 bytes of ``value``. Floats are refused (TypeError): money and time are never floats here."""
    _refuse_floats(value)
    return rfc8785.dumps(value)


def digest(tag: str, value: Any) -> str:
    """Hex SHA-256 of ``custody/<tag>/v1``, a zero byte and ``canonical_json(value)``."""
    return digest_bytes(tag, canonical_json(value)).hex()


def digest_bytes(tag: str, payload: bytes) -> bytes:
    """The 32 bytes behind ``digest``, for payloads that are already canonical bytes."""
    return hashlib.sha256(f"custody/{tag}/v1".encode() + b"\0" + payload).digest()


def parse_json(text: str | bytes, *, field: str, limit_bytes: int = 4_000_000) -> Any:
    """Strict JSON: no duplicate keys, no NaN, no floats, at most ``limit_bytes``. Raises ``InvalidInput``."""
    if len(text) > limit_bytes:
        raise InvalidInput(f"larger than {limit_bytes} bytes", field=field)
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("not strict JSON (no duplicate keys, no fractions)", field=field) from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _no_constant(_text: str) -> Any:
    raise ValueError("not an integer")


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError("floats have no canonical form here")
    if isinstance(value, Mapping):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse_floats(item)
