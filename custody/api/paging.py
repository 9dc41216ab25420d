"""Lists over HTTP: how much of one is asked for, and the address of the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, TypeVar

from fastapi import Query, Request
from starlette.datastructures import URL

from custody.views import cursors

After = Annotated[str | None, Query(description="What `next` gave: the page begins behind the last row shown.")]
Limit = Annotated[int | None, Query(description="Rows of the page, 200 at most; 50 where nobody says.")]

PARAMETERS: Final = ("after", "limit")

Row = TypeVar("Row")


def page(
    request: Request,
    name: str,
    rows: Sequence[Row],
    *,
    limit: int,
    key: Callable[[Row], tuple[str, ...]],
    shown: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """One page of ``name``: what is ``shown`` of the first ``limit`` of ``rows``, and where the rest is.

    ``rows`` were read one more than asked for, so that a last page says so without a further question.
    """
    more = len(rows) > limit
    return {name: list(shown), "next": address(request, cursors.written(name, *key(rows[limit - 1]))) if more else None}


def address(request: Request, cursor: str | None) -> str | None:
    """Path and query of the next page, by the filters this one was asked for with."""
    if cursor is None:
        return None
    found: URL = request.url.include_query_params(after=cursor)
    return f"{found.path}?{found.query}"
