"""How long the server works at each page of the console, with 100,000 clients and 10,000 waiting withdrawals.

Time is taken inside the process, from the first byte of a request to the last of its answer, signing-in checked and the
frame made. Every page is asked for in turn, round after round, so that the machine's other work hits all of them. What
is judged: the 95th part of all rounds, what a page weighs with its scripts and style, compressed as it is sent, and
that no page's statements grow with its rows: beside a house of ten clients and ten waiting withdrawals.

    .venv/bin/python -m benchmarks.console [--quick]
"""

from __future__ import annotations

import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import text
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from custody.api.app import application
from custody.api.auth import Callers
from custody.api.console import frame
from tests.cosigner.builders import REGTEST
from tests.integration.movements.counting import recorded
from tests.support import crowd, passkeys
from tests.support.console import Visitor
from tests.support.crowd import Crowd
from tests.support.passkeys import Passkey
from tests.support.servers import Servers
from tests.support.world import House, write_tokens

ROUNDS: Final = 40
FEW: Final = 10
"""Clients, and withdrawals that wait, of the house that a crowded one is compared with."""
ONCE_FULL: Final = 1
"""A list that is longer than its page is counted, which one that is shown whole is not: a statement more, once."""
PAGE_MS, QUEUE_MS, MOST_BYTES = 50, 30, 60_000
_TABS: Final = ("needs-me", "needs-others", "needs-keys", "on-chain", "stuck")
_FILES: Final = (*frame.SCRIPTS, "console.css", "icon.svg")


def main() -> int:
    """Print a line a page; 1 where a full run misses a goal, or any page is not answered."""
    is_quick = "--quick" in sys.argv
    clients, waiting, rounds = (1_000, 200, 3) if is_quick else (100_000, 10_000, ROUNDS)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    servers = Servers()
    try:
        few = _statements_of_few(servers)
        house = passkeys.found(servers.fresh_database())
        began = time.monotonic()
        filled = crowd.fill(house, clients=clients, waiting=waiting, stuck=50, runs=720, breaks=5, agreed=waiting // 4)
        took = time.monotonic() - began
        print(f"{clients} clients, {waiting} waiting withdrawals, filled in {took:.0f} s", flush=True)
        missed = [*_measure(house, filled, rounds), *_asking_more(few, _statements(house, filled))]
        house.close()
    finally:
        servers.stop()
    return 1 if missed and not is_quick else 0


@dataclass
class Clock:
    """The application, with the milliseconds each answer took."""

    app: ASGIApp
    took: list[tuple[float, float]] = field(default_factory=list)
    """Of each answer: by the clock, and of this process's own work alone."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        began, worked = time.perf_counter(), time.process_time()

        async def sent(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self.took.append(((time.perf_counter() - began) * 1_000, (time.process_time() - worked) * 1_000))

        await self.app(scope, receive, sent if scope["type"] == "http" else send)


def _statements_of_few(servers: Servers) -> dict[str, int]:
    """How often each page asks a small house's database."""
    house = passkeys.found(servers.fresh_database())
    filled = crowd.fill(house, clients=FEW, waiting=FEW, stuck=FEW // 2, runs=FEW, breaks=5, agreed=FEW // 4)
    try:
        return _statements(house, filled)
    finally:
        house.close()


def _statements(house: House, filled: Crowd) -> dict[str, int]:
    """How many statements each page takes, once what a process keeps is warm."""
    counted = {}
    with tempfile.TemporaryDirectory(prefix="custody-bench-") as folder:
        served = application(house.runtime, Callers.load(write_tokens(Path(folder) / "tokens.json", {})))
        with TestClient(served) as client:
            bob = Visitor(client, "bob", Passkey("bob")).sign_in()
            for name, path in _paths(house, filled).items():
                bob.get(path)
                with recorded(house.db) as statements:
                    bob.get(path)
                counted[name] = len(statements)
    return counted


def _asking_more(few: Mapping[str, int], many: Mapping[str, int]) -> list[str]:
    """The pages that ask a crowded house's database more often than a small one's, said as well."""
    more = [name for name, number in many.items() if number > few[name] + ONCE_FULL]
    for name in more:
        print(f"{name:>18}: {many[name]} statements, {few[name]} with {FEW} of each  MISSED", flush=True)
    print(f"{len(many) - len(more)} of {len(many)} pages take no more statements; the most is {max(many.values())}")
    return more


def _measure(house: House, filled: Crowd, rounds: int) -> list[str]:
    missed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="custody-bench-") as folder:
        clock = Clock(application(house.runtime, Callers.load(write_tokens(Path(folder) / "tokens.json", {}))))
        with TestClient(clock) as client:
            alice = Visitor(client, "alice", Passkey("alice")).sign_in()
            files = sum(_sent(alice.get(f"{frame.STATIC}/{name}")) for name in _FILES)
            times, sizes = _rounds(alice, clock, _paths(house, filled), rounds)
    for name, found in times.items():
        goal, weight = QUEUE_MS if name.startswith("queue") else PAGE_MS, sizes[name] + files
        whole, own = ([each[part] for each in found] for part in (0, 1))
        late = statistics.quantiles(whole, n=20, method="inclusive")[-1]
        ok = late < goal and weight <= MOST_BYTES
        missed += [] if ok else [name]
        print(
            f"{name:>18}: p95 {late:6.1f} ms (median {statistics.median(whole):6.1f}, of which our own work "
            f"{statistics.median(own):5.1f}; goal {goal}), {weight} bytes{'' if ok else '  MISSED'}",
            flush=True,
        )
    return missed


def _rounds(
    alice: Visitor, clock: Clock, paths: dict[str, str], rounds: int
) -> tuple[dict[str, list[tuple[float, float]]], dict[str, int]]:
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in paths}
    sizes: dict[str, int] = {}
    for number in range(rounds + 1):
        for name, path in paths.items():
            answer: Any = alice.get(path)
            if answer.status_code != 200:
                raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:200]}")
            sizes[name] = _sent(answer)
            # The first round warms what a process keeps.
            if number:
                times[name].append(clock.took[-1])
    return times, sizes


def _sent(answer: Any) -> int:
    """The bytes of an answer as it was sent."""
    return int(answer.headers["content-length"])


def _paths(house: House, filled: Crowd) -> dict[str, str]:
    with house.db.unit() as unit:
        own = text("SELECT min(id) FROM addresses WHERE client_id = 'template'")
        address = unit.session.execute(own).scalar_one()
    account = f"available+{filled.clients[0]}+{REGTEST.asset.id}"
    return {
        **{f"queue {tab}": f"/console?tab={tab}" for tab in _TABS},
        "intent": f"/console/intents/{filled.digests[-1]}",
        "clients": "/console/clients",
        "clients, search": "/console/clients?search=crowd+0500",
        "client": f"/console/clients/{filled.clients[0]}",
        "address": f"/console/addresses/{address}",
        "vaults": "/console/vaults",
        "vault": f"/console/vaults/kst_demo/{crowd.FIRST_BRANCH}",
        "books": "/console/books",
        "account": f"/console/books?account={account}",
        "entry": "/console/books/2",
        "deposits": "/console/deposits",
        "withdrawals": "/console/withdrawals",
        "withdrawals, one": f"/console/withdrawals?client={filled.clients[0]}&state=completed",
        "addresses": f"/console/clients/{filled.clients[0]}/addresses",
        "reconciliation": "/console/reconciliation",
        "break": f"/console/breaks/{filled.breaks[0]}",
        "breaks": "/console/breaks",
        "stuck": "/console/stuck",
        "health": "/console/health",
        "audit": "/console/audit",
        "audit, filtered": "/console/audit?by=actor&wanted=exchange",
        "policy": "/console/policy",
        "people": "/console/people",
        "destinations": "/console/destinations",
        "freezes": "/console/freezes",
        "passkeys": "/console/passkeys",
        "help": "/console/help",
    }


if __name__ == "__main__":
    sys.exit(main())
