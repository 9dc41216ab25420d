"""One operation of the contract, and the codes that many of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from custody.api.contract.shapes import Shape

ANY_CALL: Final = (
    *("unauthenticated", "call-signature-refused", "call-replayed", "role-refused", "scope-refused", "client-refused"),
    *(
        "network-refused",
        "too-many-calls",
        "version-unknown",
        "invalid-input",
        "database-unavailable",
        "unit-conflict",
        "internal",
    ),
    *("broken", "no-trust-root", "intent-tampered", "keyset-tampered", "asset-unknown"),
)
"""Codes every call may be answered with."""
ASKING: Final = (
    *("body-too-large", "request-refused", "idempotency-mismatch", "idempotency-in-flight", "idempotency-key-differs"),
    *("denied-by-policy", "unknown-client"),
)
PAYING: Final = (*ASKING, "insufficient-funds", "client-not-active", "unknown-vault")
"""Codes of what asks for money to move."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``answers`` are those that are no problem, by status."""

    id: str
    tag: str
    answers: Mapping[int, Shape]
    body: Shape | None = None
    codes: tuple[str, ...] = ()
    key: str = ""
    """``optional`` or ``required``, where there is an ``Idempotency-Key``."""
    is_open: bool = field(default=False)
    """Whether it needs no credential."""
