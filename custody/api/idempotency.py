"""``Idempotency-Key``: the key that counts is the one that was signed; the header may only repeat it.

Where a body carries no signed request the header is the key, and must be there.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Header

from custody.api.problems import KeyDiffers, KeyMissing
from custody.evidence import fields

Key = Annotated[str | None, Header(alias="Idempotency-Key")]
REPLAYED: Final = {"Idempotency-Replayed": "true"}


def expect_same(header: str | None, signed: str) -> None:
    """Raise ``KeyDiffers`` where the header names another key than the signed request."""
    if header is not None and header != signed:
        raise KeyDiffers(
            "not the key in the signed request; accepted is that one, or no header", field="idempotency-key"
        )


def expect_key(header: str | None) -> str:
    """The key of a call whose body has none. Raises ``KeyMissing`` and ``InvalidInput``."""
    if header is None:
        raise KeyMissing("missing; accepted is a name of at most 200 characters", field="idempotency-key")
    return fields.name(header, field="idempotency-key")
