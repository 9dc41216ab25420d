"""Open pages hear that something happened: from one connection that listens, for five hundred of them at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from custody.api import holding
from custody.evidence.passkeys import Console
from custody.operators import operations as operators
from demo.child import free_port
from tests.browser.serving import serving
from tests.cosigner.builders import BTC
from tests.support import passkeys
from tests.support.servers import FreshDatabase
from tests.support.world import House

CONSOLES = 500
PATIENCE_SECONDS = 60


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    console = Console(f"http://localhost:{free_port()}", "localhost")
    house = passkeys.found(database, console=console)
    house.open_client("acme", branch=1)
    house.credit("acme", 10 * BTC)
    yield house
    house.close()


async def heard(reader: asyncio.StreamReader, event: str) -> None:
    while event not in (await reader.readline()).decode():
        assert not reader.at_eof()


async def consoles(port: int, cookie: str, happen: asyncio.Event) -> tuple[float, float]:
    """Open them all, let something happen, and wait until every one has heard of it. Returns both times in seconds."""
    request = f"GET /console/live HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: custody={cookie}\r\n\r\n"
    began, gate = time.monotonic(), asyncio.Semaphore(100)

    async def one() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request.encode())
            await heard(reader, "event: beat")
            return reader, writer

    opened = await asyncio.gather(*(one() for _ in range(CONSOLES)))
    between = time.monotonic()
    happen.set()
    await asyncio.gather(*(heard(reader, "event: changed") for reader, _ in opened))
    ended = time.monotonic()
    for _, writer in opened:
        writer.close()
    return between - began, ended - between


def test_five_hundred_consoles_hear_what_happens_over_one_connection(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "STREAMS_EACH", CONSOLES)
    with house.db.unit() as unit:
        root = passkeys.trust.in_force(unit.session).root
        cookie = operators.sign_in(unit.session, operator="alice", now=unit.now)
    assert root.console is not None
    port = int(root.console.origin.rsplit(":", 1)[1])

    async def play() -> tuple[float, float]:
        happen = asyncio.Event()

        async def ask() -> None:
            await happen.wait()
            await asyncio.to_thread(lambda: house.withdraw(house.withdrawal_request("acme", BTC // 10)))

        (times, _) = await asyncio.gather(consoles(port, cookie, happen), ask())
        return times

    with serving(house, port, tmp_path):
        opening, telling = asyncio.run(asyncio.wait_for(play(), PATIENCE_SECONDS))
        with house.db.unit() as unit:
            listening = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN custody_events%'")
            assert unit.session.execute(listening).scalar_one() == 1
    with capsys.disabled():
        print(f"\n{CONSOLES} consoles opened in {opening:.1f} s; all told of a withdrawal within {telling:.2f} s")  # noqa: T201


def test_who_is_not_signed_in_hears_nothing(house: House, tmp_path: Path) -> None:
    async def ask(port: int) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /console/live HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: custody=x\r\n\r\n".encode())
        line = (await reader.readline()).decode()
        writer.close()
        return line

    with house.db.unit() as unit:
        console = passkeys.trust.in_force(unit.session).root.console
    assert console is not None
    port = int(console.origin.rsplit(":", 1)[1])
    with serving(house, port, tmp_path):
        assert " 401 " in asyncio.run(ask(port))
