"""The feed: everything that was told, by cursor, byte for byte what webhooks push."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from custody.api.bell import Bell
from custody.api.call import AsReader, Call
from custody.api.credentials import Caller
from custody.db import Unit
from custody.events import queries
from custody.events.model import expect_type
from custody.events.queries import Page
from custody.evidence import fields
from custody.kernel.errors import InvalidInput

ORDINARY: Final = 50
MOST: Final = 200
LONGEST_WAIT: Final = 30
NEWEST: Final = "newest"
"""Instead of a cursor: only what is told from now on."""

router = APIRouter(prefix="/v1/events")


@router.get("")
async def feed(
    call: AsReader,
    request: Request,
    after: str = "0",
    limit: int = ORDINARY,
    wait: int = 0,
    client: str | None = None,
    type: Annotated[list[str] | None, Query()] = None,  # noqa: A002  the parameter's public name
    subject: str | None = None,
) -> Response:
    """Events told after a cursor, oldest first, and the cursor to read on from.

    With ``subject`` those of one object: its id, beside its kind as ``type``. 404 where nothing was told of it.
    With ``wait`` an empty answer is held back for up to so many seconds, until something is there. One credential has
    100 answers held back at once, and no more (429).
    """
    most = fields.whole_number(limit, field="limit", low=1, high=MOST)
    left = fields.whole_number(wait, field="wait", high=LONGEST_WAIT)
    whose = _whose(call.caller, client)
    kinds = None if type is None else [expect_type(each, field="type") for each in type]
    about = None if subject is None else fields.text(subject, field="subject")
    if about is not None and not kinds:
        raise InvalidInput("accepted beside type, which says the kind of the object", field="subject")
    cursor = await run_in_threadpool(call.unit, _head) if after == NEWEST else _cursor(after)

    def read(unit: Unit) -> Page:
        return queries.after(unit.session, cursor=cursor, limit=most, client=whose, kinds=kinds, subject=about)

    if not left:
        return _answer(await run_in_threadpool(call.unit, read))
    with request.app.state.waits.place(call.caller.name):
        return _answer(await _held_back(call, request.app.state.bell, read, seconds=left))


@router.get("/{event}")
def one(call: AsReader, event: str) -> Response:
    """One event, as it was told."""
    whose = call.caller.clients
    found = call.unit(lambda unit: queries.by_id(unit.session, event=event, client=whose))
    return Response(found.body, media_type="application/json")


async def _held_back(call: Call, bell: Bell, read: Callable[[Unit], Page], *, seconds: int) -> Page:
    """Look, and look again at each ring until something is there. No thread is held while nothing is."""
    until = time.monotonic() + seconds
    while True:
        ticket = bell.ticket()
        page: Page = await run_in_threadpool(call.unit, read)
        left = until - time.monotonic()
        if page.events or left <= 0:
            return page
        await bell.rung(ticket, left)


def _answer(page: Page) -> Response:
    events = b",".join(event.body for event in page.events)
    return Response(b'{"events":[%s],"cursor":"%d"}' % (events, page.cursor), media_type="application/json")


def _head(unit: Unit) -> int:
    return queries.head(unit.session)


def _cursor(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidInput(
            f"not a cursor; accepted is what cursor gave, 0 for the beginning, or {NEWEST}", field="after"
        )
    return int(text)


def _whose(caller: Caller, client: str | None) -> frozenset[str] | None:
    """Whose events are read: one client's where one is named; never those of who the caller may not see."""
    if client is None:
        return caller.clients
    named = fields.name(client, field="client")
    return frozenset({named} if caller.may_see(named) else ())
