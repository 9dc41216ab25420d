"""How many webhooks a second leave for one receiver on loopback, beside the bare HTTP client with as many threads.

The receiver is a process of its own. Ours takes events over, claims, signs both ways, sends and writes every attempt
down; the peer (urllib3, connections kept) posts the same bytes and forgets them. Both take turns, round after round.
Equal results first: every event came once, and those of each object in the order of their versions.

    .venv/bin/python -m benchmarks.webhooks [--quick]
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import secrets
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Final

import structlog
import urllib3

from custody.db import Database
from custody.events import operations as events
from custody.events import queries as told
from custody.webhooks import operations, queries
from custody.webhooks.places import Places, read_networks
from custody.webhooks.pushing import THREADS, Pusher
from custody.webhooks.signing import Sealer
from custody.webhooks.wire import Wire
from tests.support.servers import Servers

GOAL: Final = 500
VERSIONS: Final = 10
LEASE: Final = timedelta(seconds=60)
LONGEST_SECONDS: Final = 120.0
_ANSWER: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
Came = list[tuple[str, int]]


def main() -> int:
    """Print a line a round; 1 where the middle of a full run misses the goal, or anything came wrong."""
    is_quick = "--quick" in sys.argv
    objects, rounds = (40, 1) if is_quick else (300, 5)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    servers = Servers()
    try:
        with receiver() as (port, talk):
            middle = _measure(servers.fresh_database().db, port, talk, objects, rounds)
    finally:
        servers.stop()
    return 0 if is_quick or middle >= GOAL else 1


def _measure(db: Database, port: int, talk: Connection, objects: int, rounds: int) -> float:
    sealer = Sealer(secrets.token_bytes(32))
    url = f"http://127.0.0.1:{port}/hooks"
    with db.unit() as unit:
        operations.add(
            unit.session, url=url, client=None, types=["thing"], payload="full", label="bench", sealer=sealer,
            actor="bench", now=unit.now,
        )  # fmt: skip
    ours, theirs = [], []
    for number in range(rounds):
        bodies = _tell(db, f"r{number}", objects)
        theirs.append(len(bodies) / _bare(url, bodies))
        _expect_all(talk, bodies, is_ordered=False)
        worked = time.process_time()
        ours.append(len(bodies) / _push(db, sealer))
        each = 1_000 * (time.process_time() - worked) / len(bodies)
        _expect_all(talk, bodies, is_ordered=True)
        print(
            f"{len(bodies)} events of {objects} objects: {ours[-1]:6.0f}/s, bare client {theirs[-1]:6.0f}/s, "
            f"ratio {ours[-1] / theirs[-1]:.2f}, {each:.2f} ms of our processor for each",
            flush=True,
        )
    middle, ratio = statistics.median(ours), statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    missed = "" if middle >= GOAL else "  MISSED"
    print(f"middle of {rounds}: {middle:.0f}/s (goal {GOAL}), ratio {ratio:.2f}, {THREADS} threads each{missed}")
    return middle


def _tell(db: Database, name: str, objects: int) -> Sequence[bytes]:
    """Every object's versions one after the other among the others'; the bodies."""
    with db.unit() as unit:
        cursor = told.head(unit.session)
    for version in range(VERSIONS):
        with db.unit() as unit:
            for number in range(objects):
                events.publish(
                    unit.session, kind="thing", subject=f"{name}-{number}", event="changed",
                    data={"id": f"{name}-{number}", "turn": version, "amount": {"decimal": "0.1", "base_units": "1"}},
                    client=None, actor="bench", correlation_id="", now=unit.now,
                )  # fmt: skip
    with db.unit() as unit:
        return [event.body for event in told.after(unit.session, cursor=cursor, limit=100_000).events]


def _bare(url: str, bodies: Sequence[bytes]) -> float:
    """Seconds in which the peer posts them all."""
    pool = urllib3.HTTPConnectionPool("127.0.0.1", urllib3.util.parse_url(url).port, maxsize=THREADS, block=True)

    def post(body: bytes) -> None:
        answer = pool.request("POST", "/hooks", body=body, headers={"content-type": "application/json"}, retries=False)
        assert answer.status == 204

    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(post, bodies))
    return time.perf_counter() - began


def _push(db: Database, sealer: Sealer) -> float:
    """Seconds until everything is taken and written down."""
    stop, rung = threading.Event(), threading.Event()
    with Wire(Places(read_networks("127.0.0.0/8"))) as wire:
        pusher = Pusher(db, sealer=sealer, wire=wire, lease=LEASE)
        thread = threading.Thread(target=pusher.run, args=(stop, rung))
        began = time.perf_counter()
        thread.start()
        try:
            while _is_behind(db):
                if time.perf_counter() - began > LONGEST_SECONDS:
                    raise TimeoutError("not everything was pushed")
                time.sleep(0.1)
            return time.perf_counter() - began
        finally:
            stop.set()
            rung.set()
            thread.join()


def _is_behind(db: Database) -> bool:
    with db.unit() as unit:
        newest, (stands,) = told.head(unit.session), queries.backlog(unit.session)
        return stands.waiting > 0 or queries.position(unit.session, endpoint=stands.endpoint) < newest


def _expect_all(talk: Connection, bodies: Sequence[bytes], *, is_ordered: bool) -> None:
    """What came since the last time is exactly this, once; and in order, where that was promised."""
    talk.send("what came")
    came: Came = talk.recv()
    wanted = sorted(_version(body) for body in bodies)
    if sorted(came) != wanted:
        raise AssertionError(f"{len(came)} came, {len(wanted)} were told")
    newest: dict[str, int] = {}
    for subject, version in came if is_ordered else []:
        if version != newest.get(subject, 0) + 1:
            raise AssertionError(f"{subject}: version {version} came after {newest.get(subject, 0)}")
        newest[subject] = version


def _version(body: bytes) -> tuple[str, int]:
    thing = json.loads(body)["object"]
    return thing["id"], thing["version"]


@contextmanager
def receiver() -> Iterator[tuple[int, Connection]]:
    """A receiver in a process of its own: its port, and a line on which it says what came."""
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_receive, args=(there,), daemon=True)
    child.start()
    try:
        yield here.recv(), here
    finally:
        child.terminate()
        child.join()


def _receive(talk: Connection) -> None:
    asyncio.run(_serve(talk))


async def _serve(talk: Connection) -> None:
    came: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                came.append(await reader.readexactly(length))
                writer.write(_ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    talk.send(server.sockets[0].getsockname()[1])
    while True:
        await asyncio.to_thread(talk.recv)
        talk.send([_version(body) for body in came])
        came.clear()


if __name__ == "__main__":
    sys.exit(main())
