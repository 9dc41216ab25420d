"""Five hundred reads of the feed wait at one process: no thread and no connection is held, and all are answered."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from custody.api.holding import WAITS_EACH
from demo.child import free_port
from tests.browser.serving import TOKENS, serving
from tests.support.servers import FreshDatabase
from tests.support.world import House

WAITING = 500
PATIENCE_SECONDS = 60
MOST_CONNECTIONS = 12
"""The pool's, and the one that listens."""


@pytest.fixture
def house(database: FreshDatabase) -> House:
    house = House.found(database)
    house.open_client("acme", branch=1)
    return house


async def get(port: int, path: str, token: str) -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode()
    )
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert b" 200 " in head.splitlines()[0], head
    return json.loads(body)


async def play(house: House, port: int, tokens: Sequence[str]) -> float:
    """Have all of them wait, see that others are answered meanwhile, tell one event; seconds until all have it."""
    newest = (await get(port, "/v1/events?limit=200", tokens[0]))["cursor"]
    path = f"/v1/events?after={newest}&wait=30"
    held = [asyncio.create_task(get(port, path, tokens[number % len(tokens)])) for number in range(WAITING)]
    while await asyncio.to_thread(_open_reads, port) < WAITING:
        assert not any(task.done() for task in held)
        await asyncio.sleep(0.02)
    assert (await get(port, "/v1/clients/acme", tokens[0]))["status"] == "active"
    with house.db.unit() as unit:
        mine = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        assert unit.session.execute(mine).scalar_one() <= MOST_CONNECTIONS
    began = time.monotonic()
    await asyncio.to_thread(house.address, "acme")
    answers = await asyncio.gather(*held)
    assert {event["type"] for answer in answers for event in answer["events"]} == {"address.issued"}
    assert {answer["cursor"] for answer in answers} == {str(int(newest) + 1)}
    return time.monotonic() - began


def _open_reads(port: int) -> int:
    """Connections that the port has taken, as the kernel counts them."""
    place = f":{port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(place) and line[3] == "01" for line in lines)


def test_five_hundred_wait_and_are_answered(house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port, tokens = free_port(), [token for _, token in TOKENS.values()]
    assert WAITS_EACH * len(tokens) >= WAITING
    with serving(house, port, tmp_path):
        telling = asyncio.run(asyncio.wait_for(play(house, port, tokens), PATIENCE_SECONDS))
    with capsys.disabled():
        print(f"\n{WAITING} waiting reads all told within {telling:.2f} s")  # noqa: T201
