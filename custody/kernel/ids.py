"""Prefixed, sortable ids: ``wdr_`` and 26 characters of Crockford base 32 (48 bits of time, 80 of chance)."""

from __future__ import annotations

import os
import re
from datetime import datetime
from typing import Final

from custody.kernel.errors import InvalidInput

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ID = re.compile(r"([a-z]{3})_([0-9A-HJKMNP-TV-Z]{26})", re.ASCII)


def base32(value: int, length: int) -> str:
    """``value`` in Crockford base 32, ``length`` characters, most significant first."""
    return "".join(ALPHABET[(value >> (5 * place)) & 31] for place in reversed(range(length)))


def new_id(prefix: str, now: datetime) -> str:
    """A fresh id that sorts by ``now``; two in one millisecond differ by chance (80 bits)."""
    milliseconds = int(now.timestamp() * 1000) & (2**48 - 1)
    return f"{prefix}_{base32(milliseconds << 80 | int.from_bytes(os.urandom(10), 'big'), 26)}"


def expect_id(text: object, *prefixes: str, field: str) -> str:
    """Return ``text`` if it is an id of one of these kinds; raise ``InvalidInput`` saying which were expected."""
    match = _ID.fullmatch(text) if isinstance(text, str) else None
    named = " or ".join(f"{prefix}_" for prefix in prefixes)
    if match is None or match.group(1) not in prefixes:
        raise InvalidInput(f"not an id of this kind; accepted is {named} and 26 characters", field=field)
    assert isinstance(text, str)
    return text
