"""Long lists a page at a time: ``--limit`` and ``--after``, and where to go on said on standard error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import typer

from custody.cli.exits import say

LimitOption = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]
AfterOption = Annotated[str, typer.Option("--after", metavar="CURSOR", help="Go on where an earlier list ended.")]
ORDINARY: Final = 50

Read = Callable[[str | None, int], Mapping[str, Any]]
"""One page behind a cursor, of so many at most; ``next`` in it is where there are more."""


def rows_of(read: Read, name: str, *, after: str, limit: int) -> list[dict[str, Any]]:
    """The first ``limit`` rows behind ``after`` of the list called ``name``; says where to go on.

    Raises what ``read`` raises.
    """
    from custody.views import cursors

    found: list[dict[str, Any]] = []
    cursor: str | None = after or None
    while len(found) < limit:
        page = read(cursor, min(cursors.MOST, limit - len(found)))
        found += page[name]
        cursor = page["next"]
        if cursor is None:
            return found
    say(f"there are more: --after {cursor}")
    return found
