"""Reading bodies: bounded while they arrive, then strict JSON (no duplicate keys, no fractions)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import Depends, Request

from custody.api.problems import BodyTooLarge
from custody.evidence import fields
from custody.kernel.canonical import parse_json

ORDINARY_BYTES: Final = 64_000
ASKING_BYTES: Final = 1_000_000
"""What is asked for may bring documents with it: a trust root, a policy."""
BUNDLE_BYTES: Final = 3_000_000
"""What a cosigner signed may carry whole previous transactions."""


def reader(limit_bytes: int) -> Callable[[Request], Awaitable[bytes]]:
    """A dependency that reads at most ``limit_bytes`` of the body. Raises ``BodyTooLarge`` without reading on."""

    async def read(request: Request) -> bytes:
        before: bytes | None = getattr(request.state, "body", None)
        if before is None:
            return await _read(request, limit_bytes)
        if len(before) > limit_bytes:
            raise BodyTooLarge(f"accepted are at most {limit_bytes} bytes", field="body")
        return before

    return read


async def arrived(request: Request) -> bytes:
    """The whole body, kept for whoever reads it afterwards: asked for only once the caller is known.

    Raises ``BodyTooLarge`` for more than any route reads.
    """
    found: bytes | None = getattr(request.state, "body", None)
    if found is None:
        found = request.state.body = await _read(request, BUNDLE_BYTES)
    return found


async def _read(request: Request, limit_bytes: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit_bytes:
        raise BodyTooLarge(f"accepted are at most {limit_bytes} bytes", field="body")
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > limit_bytes:
            raise BodyTooLarge(f"accepted are at most {limit_bytes} bytes", field="body")
    return bytes(chunks)


Body = Annotated[bytes, Depends(reader(ORDINARY_BYTES))]
AskingBody = Annotated[bytes, Depends(reader(ASKING_BYTES))]
BundleBody = Annotated[bytes, Depends(reader(BUNDLE_BYTES))]


def any_json(body: bytes) -> Any:
    """``body`` as strict JSON, to be read by somebody who knows its shape. Raises ``InvalidInput``."""
    return parse_json(body, field="body", limit_bytes=BUNDLE_BYTES)


def json_object(body: bytes, *keys: str) -> Mapping[str, Any]:
    """``body`` as a JSON object with exactly ``keys``. Raises ``InvalidInput`` naming the odd one."""
    return fields.exact_object(any_json(body), keys, field="body")
