"""Withdrawals asked for over HTTP beside the same unit of the database alone: ``python -m benchmarks.api [--quick]``.

Both are a process of their own on one Postgres with fsync on, taken in turn: the daemon's API, called over 64
connections that stay open, every call and every request in it signed; and the unit that such a call runs, without call,
signature of the call, nonce or answer, over as many threads as the API has. What is judged is the ratio of the rates,
that every answer is 201 with an id of its own, and that the same asked for again gives the same ids.

The same two processors run the database, the server and whoever calls it: the calls are signed before the clock starts.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from config import settings as configuration
from custody.api.app import POOL_SIZE, THREADS
from custody.api.asking import note_seen
from custody.api.auth import Caller, Role
from custody.api.call import Call
from custody.bootstrap import assemble
from custody.db import Unit
from custody.db.migrations.run import upgrade
from custody.evidence.calls import Terms, UnsignedCall, content_digest, sign_call
from custody.evidence.requests import WithdrawalRequest
from custody.evidence.signatures import Signature
from custody.trust.operations import InForce
from custody.views.standing import whole_withdrawal
from custody.withdrawals import operations
from demo.child import Child, free_port
from demo.servers import Postgres
from tests.integration.api.server import REPOSITORY, plain_environment
from tests.integration.api.signing import call_key, row
from tests.support import crowd
from tests.support.servers import FreshDatabase
from tests.support.world import House, environment

CONNECTIONS: Final = 64
ROUNDS: Final = 3
ASKED: Final = 300
"""Withdrawals of one round of each way, every one of another client."""
GOAL: Final = 0.6
PATH: Final = "/v1/withdrawals"
_GOOD_FOR_SECONDS: Final = 240

Body = dict[str, Any]
Answer = tuple[int, Any]


def main() -> int:
    """Print the rates and their ratio; 1 where a full run misses the goal, or any answer is not as it should be."""
    is_quick = "--quick" in sys.argv
    rounds, asked = (1, 80) if is_quick else (ROUNDS, ASKED)
    with tempfile.TemporaryDirectory(prefix="custody-bench-") as folder:
        Path(folder).chmod(0o711)
        server = Postgres(Path(folder))
        try:
            server.start()
            owner, app = server.create_database("bench")
            upgrade(owner)
            house = House.found(FreshDatabase("bench", owner, app, server.url("postgres", "bench")))
            ratio, problems = _measure(house, Path(folder), rounds, asked)
            house.close()
        finally:
            server.destroy()
    for problem in problems:
        print(f"PROBLEM: {problem}")
    print(f"POST {PATH} over {CONNECTIONS} connections: {ratio:.2f} x its own unit alone; goal {GOAL} x")
    return 1 if problems or (ratio < GOAL and not is_quick) else 0


def _measure(house: House, folder: Path, rounds: int, asked: int) -> tuple[float, list[str]]:
    names = iter(crowd.fill(house, clients=2 * asked * rounds + 2 * CONNECTIONS).clients)

    def bodies(number: int) -> list[bytes]:
        return [_body(house, next(names)) for _ in range(number)]

    tokens = folder / "callers.json"
    tokens.write_text(json.dumps({"callers": [row("exchange")]}))
    tokens.chmod(0o600)
    port = free_port()
    env = plain_environment() | environment(house.database, api_port=port, api_tokens_file=tokens)
    argv = [sys.executable, "-m", "custody.api"]
    child = Child("api", argv, folder / "api.log", env=env, cwd=REPOSITORY)
    child.start()
    ratios, problems = [], []
    with multiprocessing.get_context("spawn").Pool(1, _begin, (env,)) as alone:
        try:
            child.await_ready(lambda: _is_up(port))
            _over_http(port, bodies(CONNECTIONS))
            alone.apply(_units, (bodies(CONNECTIONS),))
            for number in range(rounds):
                # Who is first takes turns, too.
                for way in ("alone", "http") if number % 2 else ("http", "alone"):
                    sent = bodies(asked)
                    if way == "alone":
                        unit_rate, found = alone.apply(_units, (sent,))
                        problems += _wrong(found, len(sent), 201, "alone")
                    else:
                        http_rate, found = _over_http(port, sent)
                        problems += _wrong(found, len(sent), 201, "over HTTP")
                        problems += _replays(port, sent, found)
                ratios.append(http_rate / unit_rate)
                load = os.getloadavg()[0]
                print(
                    f"round {number + 1}: {http_rate:6.1f}/s over HTTP, {unit_rate:6.1f}/s of the unit alone, "
                    f"{ratios[-1]:.2f} x (load of the machine {load:.1f})",
                    flush=True,
                )
        finally:
            child.stop()
    return statistics.median(ratios), problems


def _body(house: House, client: str) -> Body:
    return house.body(house.withdrawal_request(client, crowd.AMOUNT))


def _wrong(found: Sequence[Answer], asked: int, status: int, way: str) -> list[str]:
    """What is not as it should be: another status, another state, or two answers with one id."""
    others = [each for each in found if each[0] != status]
    states = {said.get("status") for code, said in found if code == status}
    ids = {said.get("id") for code, said in found if code == status}
    problems = [f"{way}: {len(others)} answers were not {status}, one of them {others[0]}"] if others else []
    problems += [f"{way}: states {states}"] if states - {"pending_approval"} else []
    return problems + ([f"{way}: {len(ids)} ids of {asked} requests"] if len(ids) != asked else [])


def _replays(port: int, sent: Sequence[Body], found: Sequence[Answer]) -> list[str]:
    """The same asked for again, in calls signed anew."""
    some = list(range(0, len(sent), 5))
    _, again = _over_http(port, [sent[place] for place in some])
    same = [again[number] for number, place in enumerate(some) if again[number][1].get("id") == found[place][1]["id"]]
    problems = [] if len(same) == len(some) else [f"{len(some) - len(same)} of {len(some)} replays gave another id"]
    return problems + _wrong(again, len(some), 200, "again")


def _over_http(port: int, bodies: Sequence[Body]) -> tuple[float, list[Answer]]:
    """Calls a second, and the answers in the order of ``bodies``."""
    calls = [_call(port, body) for body in bodies]
    return asyncio.run(_send(port, calls))


def _call(port: int, body: Body) -> bytes:
    content, now, host = json.dumps(body).encode(), int(time.time()), f"127.0.0.1:{port}"
    call = UnsignedCall("POST", host, PATH, "", content_digest(content), body["request"]["idempotency_key"])
    signed = sign_call(call, call_key("exchange"), Terms(now, now + _GOOD_FOR_SECONDS, secrets.token_hex(16)))
    headers = {
        "Host": host,
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        "Idempotency-Key": body["request"]["idempotency_key"],
        **signed,
    }
    lines = [f"POST {PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


async def _send(port: int, calls: Sequence[bytes]) -> tuple[float, list[Answer]]:
    waiting = deque(enumerate(calls))
    answers: list[tuple[int, bytes]] = [(0, b"{}")] * len(calls)
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while waiting:
            place, call = waiting.popleft()
            writer.write(call)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            answers[place] = int(head[9:12]), await reader.readexactly(length)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one(*each) for each in opened))
    took = time.perf_counter() - began
    return len(calls) / took, [(status, json.loads(content)) for status, content in answers]


def _is_up(port: int) -> bool:
    try:
        asyncio.run(_look(port))
    except OSError:
        return False
    return True


async def _look(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


_CALLS: list[Call] = []
"""The one call of a process that runs units alone."""


def _begin(env: dict[str, str]) -> None:
    runtime = assemble(configuration.load(env), pool_size=POOL_SIZE)
    _CALLS.append(Call(runtime, Caller("exchange", Role.REQUESTER), "bench"))


def _units(bodies: Sequence[Body]) -> tuple[float, list[Answer]]:
    """Units a second, and what each gave, in the order of ``bodies``."""
    read = [
        (WithdrawalRequest.parse(body["request"]), Signature.parse(body["signature"], field="signature"))
        for body in bodies
    ]
    with ThreadPoolExecutor(THREADS) as threads:
        began = time.perf_counter()
        found = list(threads.map(lambda each: _unit(*each), read))
        took = time.perf_counter() - began
    return len(bodies) / took, [(201, each) for each in found]


def _unit(asked: WithdrawalRequest, signature: Signature) -> Body:
    """What the route does in its unit."""

    def work(unit: Unit, trust: InForce) -> Body:
        note_seen(unit.session, {}, now=unit.now)
        done = operations.request(
            unit.session, request=asked, signature=signature, trust=trust, correlation_id="bench", now=unit.now
        )
        return whole_withdrawal(unit.session, done.withdrawal, root=trust.root)

    return _CALLS[0].trusting(work)


if __name__ == "__main__":
    sys.exit(main())
