"""Time as text: RFC 3339, UTC, always with ``Z``. Reading a clock is somebody else's business."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from custody.kernel.errors import InvalidInput

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)


def rfc3339(moment: datetime) -> str:
    """``moment`` (aware) as UTC with microseconds: ``2026-11-22T15:30:00.000000Z``."""
    if moment.tzinfo is None:
        raise TypeError("a moment without a zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: object, *, field: str) -> datetime:
    """Read ``2026-11-22T15:30:00Z`` (UTC only). Raises ``InvalidInput``."""
    if isinstance(text, str) and _RFC3339.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    raise InvalidInput("not a UTC time; accepted is RFC 3339 with Z", field=field)
