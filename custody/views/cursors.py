"""Where a page ended, as an opaque word: made of what the list is and the key of the last row shown.

A page is read from behind a key, never from an offset: rows that arrive meanwhile move nothing that was shown.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Final

from custody.evidence import fields
from custody.kernel.canonical import canonical_json, parse_json
from custody.kernel.clock import parse_rfc3339, rfc3339
from custody.kernel.errors import InvalidInput

MOST: Final = 200
ORDINARY: Final = 50
_LONGEST: Final = 500


def written(listing: str, *key: str) -> str:
    """The cursor behind the row with this key, of the list of that name."""
    return base64.urlsafe_b64encode(canonical_json([listing, *key])).rstrip(b"=").decode()


def read(cursor: str | None, listing: str, parts: int = 1, *, field: str = "after") -> tuple[str, ...] | None:
    """The key a cursor holds; None for none. Raises ``InvalidInput`` for one that this list did not give out."""
    if cursor is None:
        return None
    text = fields.text(cursor, field=field, limit=_LONGEST)
    try:
        found = parse_json(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True), field=field)
    except (ValueError, binascii.Error, InvalidInput):
        found = None
    if not isinstance(found, list) or len(found) != parts + 1 or not all(_is_plain(part) for part in found):
        raise InvalidInput("not a cursor; accepted is what `next` gave", field=field)
    if found[0] != listing:
        raise InvalidInput("a cursor of another list; accepted is what `next` of this list gave", field=field)
    return tuple(found[1:])


def of_moment(moment: datetime) -> str:
    """A moment as part of a key."""
    return rfc3339(moment)


def moment(part: str, *, field: str = "after") -> datetime:
    """A moment out of a key. Raises ``InvalidInput``."""
    return parse_rfc3339(part, field=field)


def number(part: str, *, field: str = "after") -> int:
    """A whole number out of a key. Raises ``InvalidInput``."""
    if not (part.isascii() and part.isdigit() and len(part) < 19):
        raise InvalidInput("not a cursor; accepted is what `next` gave", field=field)
    return int(part)


def limit(value: int | None, *, field: str = "limit") -> int:
    """How many rows a page may have. Raises ``InvalidInput``."""
    return fields.whole_number(ORDINARY if value is None else value, field=field, low=1, high=MOST)


def _is_plain(part: object) -> bool:
    return isinstance(part, str) and "\0" not in part
