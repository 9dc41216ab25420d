"""One connection listens for pages and for reads that wait: both hear a ring, a new connection, and the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from custody.api.bell import Bell
from custody.api.console import bells
from custody.api.console.bells import Bells
from custody.events.operations import CHANNEL
from tests.support.servers import FreshDatabase

PATIENCE_SECONDS = 30
_LISTENS = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"


class Outside:
    """Somebody else who rings, counts connections and cuts them."""

    def __init__(self, database: FreshDatabase) -> None:
        self._url = database.superuser_url.replace("+psycopg", "")

    async def run(self, statement: str) -> Any:
        """Its answer; the loop goes on meanwhile."""
        return await asyncio.to_thread(self._run, statement)

    def _run(self, statement: str) -> Any:
        with psycopg.connect(self._url, autocommit=True) as connection:
            found = connection.execute(statement)
            return None if found.description is None else found.fetchall()

    async def count(self) -> int:
        """How many connections listen."""
        return int((await self.run(f"SELECT count(*) {_LISTENS}"))[0][0])


async def heard(stream: AsyncIterator[str], event: str) -> None:
    """Read on until the page is told this."""
    async for line in stream:
        if line.startswith(f"event: {event}"):
            return
    raise AssertionError("the stream ended")


def test_both_kinds_hear_over_one_connection(database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bells, "BEAT_SECONDS", 0.5)

    async def play() -> None:
        outside = Outside(database)
        bell = Bell(database.app_url, CHANNEL)
        pages = Bells(bell)
        stream = pages.stream()
        assert "retry" in await anext(stream)
        await heard(stream, "changed")
        assert await outside.count() == 1
        for happens in (f"NOTIFY {CHANNEL}", f"SELECT pg_terminate_backend(pid) {_LISTENS}"):
            await heard(stream, "beat")
            ticket = bell.ticket()
            assert not ticket.is_set()
            await outside.run(happens)
            await bell.rung(ticket, PATIENCE_SECONDS)
            assert ticket.is_set()
            await heard(stream, "changed")
        for _ in range(3):
            await outside.run(f"NOTIFY {CHANNEL}")
            await heard(stream, "changed")
        assert await outside.count() == 1
        ticket = bell.ticket()
        pages.close()
        bell.close()
        assert ticket.is_set()
        assert [line async for line in stream if "changed" in line] == []
        (thread,) = (each for each in threading.enumerate() if each.name == "bell")
        await asyncio.to_thread(thread.join, PATIENCE_SECONDS)
        assert not thread.is_alive()
        # The connection is closed; the database needs a moment to see that.
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await outside.count():
                pass

    asyncio.run(asyncio.wait_for(play(), 2 * PATIENCE_SECONDS))
