"""A whole house in one process, so that what one withdrawal costs can be counted: real Postgres, real node, the real
API, tasks and cosigners, but no broker: rows of the outbox are leased and handed to the tasks' own deliveries.

A benchmark's world, not a test's: nothing here is asserted about the house itself.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import event, text
from starlette.testclient import TestClient

from config.settings import load
from custody.api.app import application
from custody.api.auth import Callers
from custody.bootstrap import Runtime, assemble
from custody.cosigner.answering import Desk, Signed
from custody.cosigner.home import Home, read_json
from custody.cosigner.keys import open_key
from custody.cosigner.memory import Memory
from custody.db.migrations.run import upgrade
from custody.deposits.watch import watch_mempool
from custody.evidence.bundle import Bundle
from custody.evidence.passkeys import Console
from custody.evidence.requests import ClientOpeningRequest, Request, WithdrawalRequest
from custody.kernel.ids import new_id
from custody.movements import scan
from custody.outbox import operations as outbox
from demo import ceremony
from demo.ceremony import Outcome, Rules
from demo.people import Cosigner, Person, StatusKeeper, in_an_hour
from demo.servers import Bitcoind, Postgres
from workers import tasks
from workers.unit import DELIVERIES

POLICY = Path(__file__).parent.parent / "policies" / "documents" / "demo.yaml"
ROLES = {"exchange": "requester", "alice": "operator", "bob": "operator", "north": "cosigner", "south": "cosigner"}
DATABASE = "bench"
ROOMS_WITH_TASKS = tasks.__all__
"""Imported for what it registers: every delivery."""


@dataclass
class Count:
    """What was sent to Postgres between two looks."""

    statements: int = 0
    units: int = 0


@dataclass
class House:
    """The house and everybody who acts in it."""

    folder: Path
    postgres: Postgres
    bitcoind: Bitcoind
    runtime: Runtime
    outcome: Outcome
    people: dict[str, Person]
    desks: dict[str, Desk]
    api: TestClient
    tokens: dict[str, str]
    count: Count = field(default_factory=Count)
    clients: dict[str, str] = field(default_factory=dict)
    """Name to id, of those opened here."""

    def call(self, caller: str, method: str, path: str, body: object = None) -> Any:
        """The API as ``caller``; the decoded answer."""
        answer = self.api.request(method, path, json=body, headers={"Authorization": f"Bearer {self.tokens[caller]}"})
        if answer.status_code >= 400:
            raise RuntimeError(f"{method} {path}: {answer.text}")
        return answer.json()

    def ask(self, path: str, request: Request) -> Any:
        """Post what the exchange signed."""
        return self.call("exchange", "POST", path, self.people["exchange"].ask(request))

    def approve(self, digest: str, person: str) -> None:
        """Post one operator's signed approval, as the command line does after reading the intent."""
        body = self.people[person].say(
            "approve", digest, until=_until(self.call(person, "GET", f"/v1/intents/{digest}"))
        )
        self.call(person, "POST", f"/v1/intents/{digest}/approvals", body)

    def scan(self) -> None:
        """What one ring of ``chain.scan`` does."""
        runtime, here = self.runtime, self.runtime.only
        scan.scan(
            here.node,
            runtime.database,
            chain=here.chain,
            assets=here.assets,
            start_height=here.start_height,
        )
        watch_mempool(
            here.node, runtime.database, chain=here.chain, config=here.deposit_rules, seen_before=set(), actor="chain"
        )

    def lease(self) -> list[outbox.Message]:
        """What the relay does before it rings the broker."""
        with self.runtime.database.unit() as unit:
            return outbox.lease(unit.session, now=unit.now, length=self.runtime.lease, limit=50)

    def deliver(self, message: outbox.Message) -> None:
        """What a worker does with one message."""
        DELIVERIES[message.topic](self.runtime, message.id)

    def work(self) -> None:
        """Lease and deliver until the outbox is quiet."""
        while messages := self.lease():
            for message in messages:
                self.deliver(message)

    def fetch(self, cosigner: str) -> list[Bundle]:
        """What a cosigner is given."""
        return [
            Bundle.parse(item) for item in self.call(cosigner, "GET", f"/v1/bundles?cosigner={cosigner}")["bundles"]
        ]

    def judge(self, cosigner: str, bundle: Bundle) -> Signed:
        """The cosigner's own program verifies everything and signs; no database is involved."""
        answer = self.desks[cosigner].answer(bundle, confirm=lambda _: True, clock=lambda: datetime.now(UTC))
        if not isinstance(answer, Signed):
            raise TypeError(f"{cosigner}: {answer}")
        return answer

    def hand_in(self, cosigner: str, answer: Signed) -> None:
        """Post the signatures."""
        self.call(cosigner, "POST", f"/v1/bundles/{answer.bundle}/signatures", answer.to_json(cosigner))

    def open_client(self, name: str, *, branch: int) -> str:
        """A segregated client on a branch of its own, with a stock of addresses; returns its id."""
        request = ClientOpeningRequest(
            requester="exchange", client=new_id("cli", in_an_hour()), name=name, segregation="segregated",
            keyset=self.outcome.keyset.id, branch=branch, not_after=in_an_hour(), idempotency_key=f"open-{name}",
        )  # fmt: skip
        self.approve(self.ask("/v1/clients", request)["digest"], "alice")
        self.work()
        self.clients[name] = request.client
        return request.client

    def deposit(self, client: str, amount_sat: int) -> None:
        """Pay to a fresh address of the client and confirm it until it is credited."""
        address = self.call("exchange", "POST", f"/v1/clients/{client}/addresses", {})["address"]
        self.bitcoind.send(address, amount_sat)
        self.bitcoind.mine(6)
        self.scan()
        self.work()

    def withdrawal(self, client: str, amount_sat: int, *, key: str) -> WithdrawalRequest:
        """What the exchange asks for."""
        return WithdrawalRequest(
            requester="exchange", client=client, asset=self.runtime.only.addressing.native.id, amount=amount_sat,
            destination=self.bitcoind.wallet("faucet").new_address(), max_fee=30_000, purpose="benchmark",
            not_after=in_an_hour(), idempotency_key=key,
        )  # fmt: skip

    def rows_read(self) -> int:
        """Rows Postgres has read for all our tables since it started, by its own count."""
        with self.postgres.connect(DATABASE) as connection:
            row = connection.execute(
                "SELECT sum(coalesce(idx_tup_fetch, 0) + seq_tup_read)::bigint FROM pg_stat_user_tables"
            ).fetchone()
        assert row is not None
        return int(str(row[0]))

    def flush_statistics(self) -> None:
        """Make the counts of our one pooled connection visible."""
        with self.runtime.database.unit() as unit:
            unit.session.execute(text("SELECT pg_stat_force_next_flush()"))


@contextmanager
def house(folder: Path) -> Iterator[House]:
    """Start the servers, hold the ceremony with the cosigners' own program, and put its outcome in force."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    folder.chmod(0o711)
    postgres, bitcoind = Postgres(folder), Bitcoind(folder)
    try:
        postgres.start()
        bitcoind.start()
        bitcoind.fund()
        yield _found(folder, postgres, bitcoind)
    finally:
        bitcoind.stop()
        postgres.destroy()


def _found(folder: Path, postgres: Postgres, bitcoind: Bitcoind) -> House:
    owner_url, app_url = postgres.create_database(DATABASE)
    upgrade(owner_url)
    tokens = {name: secrets.token_hex(16) for name in ROLES}
    runtime = assemble(load(_environment(folder, app_url, bitcoind, tokens)), pool_size=1)
    cosigners = [Cosigner.create(name, runtime.only.name, folder / "cosigners") for name in ("north", "south", "west")]
    people = {name: Person.create(name, folder) for name in ("alice", "bob", "carol", "exchange")}
    policy = POLICY.read_text()
    outcome = ceremony.hold(
        cosigners=cosigners, operators=[people[name] for name in ("alice", "bob", "carol")],
        requester=people["exchange"], keeper=StatusKeeper(folder / "status"),
        rules=Rules(policy, (runtime.only.addressing.native,), Console("http://localhost", "localhost"), 0),
        folder=folder / "ceremony",
    )  # fmt: skip
    ceremony.install(runtime.database, outcome, policy_text=policy)
    api = TestClient(application(runtime, Callers.load(folder / "tokens.json")), raise_server_exceptions=True)
    desks = {one.name: _desk(one) for one in cosigners}
    found = House(folder, postgres, bitcoind, runtime, outcome, people, desks, api, tokens)
    _listen(found)
    return found


def _listen(here: House) -> None:
    def statement(*_: Any) -> None:
        here.count.statements += 1

    def commit(*_: Any) -> None:
        here.count.units += 1

    event.listen(here.runtime.database.engine, "before_cursor_execute", statement)
    event.listen(here.runtime.database.engine, "commit", commit)


def _environment(folder: Path, app_url: str, bitcoind: Bitcoind, tokens: dict[str, str]) -> dict[str, str]:
    callers = [
        {"name": name, "role": ROLES[name], "token_sha256": hashlib.sha256(token.encode()).hexdigest()}
        for name, token in tokens.items()
    ]
    (folder / "tokens.json").write_text(json.dumps({"callers": callers}))
    return {
        "CUSTODY_NETWORK": "regtest",
        "CUSTODY_DATABASE_URL": app_url,
        "CUSTODY_BROKER_URL": "redis://127.0.0.1:1/0",
        "CUSTODY_BITCOIN_RPC_URL": bitcoind.url,
        "CUSTODY_SEAL_KEY": secrets.token_hex(32),
        "CUSTODY_START_HEIGHT": str(bitcoind.rpc("getblockcount")),
    }


def _desk(cosigner: Cosigner) -> Desk:
    home = Home.open(cosigner.home)
    key = open_key(read_json(home.key_file, field="key"), passphrase=cosigner.passphrase_file.read_text())
    return Desk(key, Memory.open(home.memory_file), home.limits())


def _until(intent: Any) -> datetime:
    return min(datetime.fromisoformat(intent["document"]["request"]["not_after"]), in_an_hour())
