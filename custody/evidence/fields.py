"""Reading untrusted JSON objects field by field: exact keys, exact types, one-line errors that name the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from custody.kernel import lettering
from custody.kernel.errors import InvalidInput

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})+", re.ASCII)


def exact_object(value: object, keys: tuple[str, ...], *, field: str) -> Mapping[str, Any]:
    """``value`` as an object with exactly ``keys``. Raises ``InvalidInput`` naming the odd one."""
    if not isinstance(value, Mapping):
        raise InvalidInput("not an object", field=field)
    for key in keys:
        if key not in value:
            raise InvalidInput("missing", field=f"{field}.{key}")
    for key in value:
        if key not in keys:
            raise InvalidInput(f"unknown field; accepted are {', '.join(keys)}", field=f"{field}.{str(key)[:40]}")
    return value


def text(value: object, *, field: str, limit: int = 200) -> str:
    """A non-empty string without surrounding blanks, at most ``limit`` characters, that reads as what it is."""
    if not isinstance(value, str) or not value or len(value) > limit:
        raise InvalidInput(f"not a text of 1 to {limit} characters", field=field)
    if value != value.strip():
        raise InvalidInput("has blanks around it; accepted is the text alone", field=field)
    wrong = lettering.trouble(value)
    if wrong is not None:
        raise InvalidInput("{}; accepted is {}".format(*wrong), field=field)
    return value


def document(value: object, *, field: str) -> str:
    """The exact text of a document of several lines, such as a policy; read by its own reader afterwards."""
    if not isinstance(value, str) or len(value) > 200_000:
        raise InvalidInput("not a text of at most 200000 characters", field=field)
    return value


def name(value: object, *, field: str) -> str:
    """An identifier: ASCII letters, digits and ``_.:/-``, at most 128 characters."""
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise InvalidInput("not a name; accepted are 1 to 128 ASCII letters, digits and _.:/-", field=field)
    return value


def one_of(value: object, accepted: tuple[str, ...], *, field: str) -> str:
    """``value`` if it is one of ``accepted``."""
    if not isinstance(value, str) or value not in accepted:
        raise InvalidInput(f"not known; accepted are {', '.join(accepted)}", field=field)
    return value


def whole_number(value: object, *, field: str, low: int = 0, high: int = 2**31 - 1) -> int:
    """A JSON integer from ``low`` to ``high``; booleans are not numbers."""
    if type(value) is not int or not low <= value <= high:
        raise InvalidInput(f"not a whole number from {low} to {high}", field=field)
    return value


def hexadecimal(value: object, *, field: str, length: int | None = None) -> str:
    """Lower-case hex of ``length`` bytes (any length up to 4 kB when None)."""
    good = isinstance(value, str) and len(value) <= 8192 and _HEX.fullmatch(value) is not None
    if not good or (length is not None and len(str(value)) != 2 * length):
        size = f"{length} bytes" if length is not None else "bytes"
        raise InvalidInput(f"not {size} of lower-case hex", field=field)
    return str(value)


def array(value: object, *, field: str, limit: int = 1000) -> list[Any]:
    """A JSON array of at most ``limit`` items."""
    if not isinstance(value, list) or len(value) > limit:
        raise InvalidInput(f"not an array of at most {limit} items", field=field)
    return value
