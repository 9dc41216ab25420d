"""Operations on their way out: every answer of one says since when, until when, and where to read what comes after.

``Deprecation`` (RFC 9745) and ``Sunset`` (RFC 8594). Nothing leaves sooner than a year after that was first said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Final

NOTICE: Final = timedelta(days=366)
"""How long an operation is served at least after it was said to leave: a year, whichever it is."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """When it was said that the operation leaves, when it does, and where its successor is explained (a URI)."""

    since: datetime
    until: datetime
    instead: str

    def __post_init__(self) -> None:
        if self.until - self.since < NOTICE:
            raise ValueError("an operation leaves a year after that was said, not sooner")

    def headers(self) -> dict[str, str]:
        """What each of its answers carries."""
        return {
            "Deprecation": f"@{int(self.since.timestamp())}",
            "Sunset": format_datetime(self.until, usegmt=True),
            "Link": f'<{self.instead}>; rel="deprecation"; type="text/markdown"',
        }


LEAVING: Final[Mapping[tuple[str, str], Leaving]] = {}
"""By method and path as it is declared. There is none."""


def said_of(method: str, path: str) -> dict[str, str]:
    """The headers of an answer of this operation; of one that stays there are none."""
    found = LEAVING.get((method, path))
    return {} if found is None else found.headers()
