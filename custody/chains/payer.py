"""Whoever pays to carry signed spends out, on a chain where a vault does not bear its own fees: its secret."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PayerKey:
    """The secret key of an account that holds fees and no authority. Never shown."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != 32 or not any(self.secret):
            raise ValueError("a payer's key is 32 bytes and not zero")
