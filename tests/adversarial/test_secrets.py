"""Canaries: the road is run with known secrets, and none of them is in a log, a table, a message or an answer (I12)."""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
import secrets
import signal
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import redis
from sqlalchemy import create_engine, text

from custody.cosigner.answering import Signed
from custody.cosigner.keyring import open_key
from custody.evidence.bundle import Bundle
from custody.kernel.errors import CustodyError
from demo.child import Child, free_port
from demo.servers import Bitcoind, Broker
from tests.adversarial.visiting import at_the_console, with_a_webhook
from tests.cosigner.builders import KEPT_ELSEWHERE, PASSPHRASE, address, words_of
from tests.integration.api.callers import TOKENS
from tests.integration.api.server import REPOSITORY, Server, plain_environment
from tests.integration.webhooks.receiver import Receiver
from tests.support import passkeys
from tests.support.oracle import plays
from tests.support.processes import wait_until
from tests.support.road import Road, btc, yes
from tests.support.servers import FreshDatabase
from tests.support.tokens import PIN, Token, TokenHolder, token
from tests.support.world import environment

__all__ = ["token"]

METRICS_TOKEN = "canary-" + "m" * 32
PEOPLE = ("alice", "bob", "exchange")
EVIDENCE_TABLES = {"approvals", "bundles"}


@dataclass
class Walk:
    """The real processes of one house, and everything they said."""

    road: Road
    server: Server
    relay: Child
    worker: Child
    broker: Broker
    canaries: dict[str, str]
    metrics_port: int
    pusher: Child
    south: TokenHolder
    answers: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def call(self, caller: str, method: str, path: str, **options: Any) -> Any:
        """One call, its answer kept whole."""
        answer = self.server.send(caller, method, path, **options)
        self.hear(answer)
        return answer.json()

    def hear(self, answer: Any) -> None:
        """Keep an answer, to be searched."""
        self.answers.append(f"{answer.status_code} {dict(answer.headers)} {answer.text}")

    def listen(self) -> None:
        """Keep whatever lies on the broker."""
        client = redis.Redis.from_url(self.broker.url)
        for key in client.scan_iter():
            dumped = client.dump(key)
            self.messages.append(f"{key!r} {dumped!r}")
            if client.type(key) == b"list":
                self.messages += [_opened(item) for item in client.lrange(key, 0, -1)]
        client.close()

    def logs(self) -> str:
        """What every process wrote: lines of log, and spans, which go the same way here."""
        every = (self.server.child, self.relay, self.worker, self.pusher)
        return "".join(each.log.read_text() for each in every if each.log.exists())

    def metrics(self) -> str:
        """The page of metrics of the API's process."""
        at = f"http://127.0.0.1:{self.metrics_port}/metrics"
        answer = httpx2.get(at, headers={"Authorization": f"Bearer {METRICS_TOKEN}"}, timeout=30)
        assert answer.status_code == 200
        return answer.text

    def tables(self) -> dict[str, str]:
        """Every column of every row of every table, as text."""
        engine = create_engine(self.road.database.superuser_url)
        with engine.connect() as connection:
            names = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars()
            found = {
                name: "\n".join(connection.execute(text(f'SELECT t::text FROM "{name}" t')).scalars())
                for name in sorted(names)
            }
        engine.dispose()
        return found

    def until(self, withdrawal: str, state: str) -> None:
        """Wait for a state; the chain is read here, everything else by the processes."""

        def arrived() -> bool:
            self.road.scan()
            return self.road.state(withdrawal) == state

        wait_until(arrived, seconds=60)


def _opened(message: Any) -> str:
    """A message as a consumer reads it: kombu's envelope carries its body in base64."""
    envelope = json.loads(message)
    return f"{envelope} {base64.b64decode(envelope['body']).decode()}"


def canaries(road: Road, broker: Broker, seal_key: str) -> dict[str, str]:
    """Every secret there is, by what it is."""
    found = {"seal key": seal_key, "passphrase": PASSPHRASE, "metrics token": METRICS_TOKEN, "PIN": PIN}
    for name in road.ceremony.cosigners:
        words = words_of(name).split()
        found |= {f"{name}'s words {place}": " ".join(words[place : place + 4]) for place in range(0, 24, 4)}
        found[f"{name}'s entropy"] = hashlib.sha256(name.encode()).hexdigest()
    for name in PEOPLE:
        seed = hashlib.sha256(f"person {name}".encode()).digest()
        found |= {f"{name}'s key": seed.hex(), f"{name}'s key, base64": base64.b64encode(seed).decode()}
    found |= {f"{name}'s token": token for name, (_, token) in TOKENS.items()}
    urls = {
        "database": road.database.app_url,
        "owner": road.database.owner_url,
        "broker": broker.url,
        "node": road.node.url,
    }
    for name, url in urls.items():
        password = urlsplit(url).password
        assert password
        found[f"{name} password"] = password
    return found


@pytest.fixture
def south(token: Token, tmp_path: Path) -> Iterator[TokenHolder]:
    """The key of ``south`` is in a token: it is used by a PIN."""
    holder = token.holder("south", tmp_path)
    KEPT_ELSEWHERE["south"] = holder.key
    yield holder
    del KEPT_ELSEWHERE["south"]


@pytest.fixture
def walk(
    database: FreshDatabase, chain: Bitcoind, broker: Broker, south: TokenHolder, tmp_path: Path
) -> Iterator[Walk]:
    """A house with a funded client and four real processes; worker and pusher are not started yet."""
    seal_key = secrets.token_hex(32)
    road = Road.build(database, chain, tmp_path, ceremony=passkeys.world(), seal_key=seal_key)
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    settings: dict[str, Any] = {
        "node_url": chain.url,
        "broker_url": broker.url,
        "seal_key": seal_key,
        "start_height": road.runtime.only.start_height,
        "scan_seconds": 1,
        "webhook_inside": "127.0.0.0/8",
    }
    shown = {"metrics_port": free_port(), "metrics_token": METRICS_TOKEN}
    server = Server.on(road, tmp_path, trace="console", **settings, **shown).start()
    traced = {"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_SCHEDULE_DELAY": "200"}
    env = {**plain_environment(), **traced, **environment(database, **settings)}
    celery = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-P", "solo", "-l", "INFO"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    relay = Child("relay", [sys.executable, "-m", "workers.relay"], tmp_path / "relay.log", env=env, cwd=REPOSITORY)
    worker = Child("worker", [*celery, *quiet], tmp_path / "worker.log", env=env, cwd=REPOSITORY)
    pusher = Child("pusher", [sys.executable, "-m", "workers.pusher"], tmp_path / "pusher.log", env=env, cwd=REPOSITORY)
    relay.start()
    known = canaries(road, broker, seal_key)
    yield Walk(road, server, relay, worker, broker, known, shown["metrics_port"], pusher, south)
    pusher.stop(what=signal.SIGTERM)
    worker.stop(what=signal.SIGQUIT)
    relay.stop(what=signal.SIGTERM)
    server.stop()
    road.close()


def travel(walk: Walk) -> str:
    """One payment through every door, and some calls that are refused; returns its id."""
    road = walk.road
    request = road.withdrawal_request("acme", btc("0.1"), destination=address(secrets.token_hex(8)))
    asked = walk.call("exchange", "POST", "/v1/withdrawals", json=road.body(request))
    walk.call("exchange", "POST", "/v1/withdrawals", json=road.body(request, signer="bob"))
    walk.call("exchange", "POST", "/v1/withdrawals", content=b"{not json")
    walk.call("alice", "POST", "/v1/withdrawals", json=road.body(request))
    digest = asked["intent_digest"]
    said = road.approval("alice", digest).to_json()
    for _ in range(2):
        walk.call("alice", "POST", f"/v1/intents/{digest}/approvals", json=said)
    road.approve(digest, "bob")

    def is_on_the_broker() -> bool:
        walk.listen()
        return any("intents.approved" in message for message in walk.messages)

    wait_until(is_on_the_broker, seconds=30)
    walk.worker.start()
    walk.until(asked["id"], "awaiting_signatures")
    for name in ("north", "south"):
        for document in walk.call(name, "GET", f"/v1/bundles?cosigner={name}")["bundles"]:
            answer = road.desks[name].answer(Bundle.parse(document), confirm=yes, clock=road.now)
            assert isinstance(answer, Signed)
            body = {"cosigner": name, answer.field: answer.signed}
            walk.call(name, "POST", f"/v1/bundles/{answer.bundle}/signatures", json=body)
    walk.until(asked["id"], "broadcast")
    road.node.mine(3)
    walk.until(asked["id"], "completed")
    walk.listen()
    return str(asked["id"])


def visit(walk: Walk, receiver: Receiver) -> None:
    """What people and receivers have is used as well, and misused; all of it is searched for afterwards."""
    walk.canaries |= with_a_webhook(walk.server, walk.hear, url=receiver.url)
    walk.canaries |= at_the_console(walk.server, walk.hear)
    walk.pusher.start()
    wait_until(lambda: bool(receiver.came), seconds=60)
    walk.answers += [f"{came.headers} {came.body.decode()}" for came in list(receiver.came)]
    # A wrong PIN is tried in a process of its own (tests/cosigner/test_tokens.py): here the token knows no such key.
    stored = json.loads((walk.south.home / "key.json").read_text())
    nobodys = stored | {"token": stored["token"] | {"key": "nobodys"}}
    with pytest.raises(CustodyError) as refused:
        open_key(nobodys, secret=lambda _: PIN, cards=walk.south.home).sign_statement(bytes(32))
    walk.answers.append("".join(traceback.format_exception(refused.value)))
    walk.answers += [path.read_bytes().decode(errors="replace") for path in walk.south.home.iterdir()]


@plays("P-117")
def test_no_secret_is_in_a_log_a_table_a_message_or_an_answer(walk: Walk) -> None:
    withdrawal = travel(walk)
    with Receiver() as receiver:
        visit(walk, receiver)
    tables = walk.tables()
    wait_until(lambda: '"process withdrawals.broadcast"' in walk.logs())
    places = {
        "logs": walk.logs(),
        "tables": "\n".join(tables.values()),
        "messages": "\n".join(walk.messages),
        "metrics": walk.metrics(),
        "answers": "\n".join(walk.answers),
    }
    leaked = [
        f"{name} in the {place}"
        for place, said in ((place, said.lower()) for place, said in places.items())
        for name, secret in walk.canaries.items()
        if secret.lower() in said
    ]
    assert leaked == []
    # The search itself can find: what is no secret is in every place.
    known = {
        "metrics": "custody_readings_up 1.0",
        "logs": "worker ready",
        "tables": withdrawal,
        "messages": "intents.approved",
        "answers": withdrawal,
    }
    assert [place for place, said in places.items() if known[place] not in said] == []
    signatures = [str(row[0]) for row in walk.road.rows("SELECT document #>> '{signature,signature}' FROM approvals")]
    assert len(signatures) == 3
    elsewhere = {**{name: said for name, said in tables.items() if name not in EVIDENCE_TABLES}, **places}
    for name in ("tables", "answers"):
        del elsewhere[name]
    for name, said in elsewhere.items():
        assert not any(signature in said for signature in signatures), f"an approval's signature is in {name}"
    walk.road.check()


class Bomb:
    """What makes a file wherever it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._canary,)


@plays("P-111")
def test_what_is_not_json_on_the_queue_is_refused_unread(walk: Walk, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    assert pickle.loads(pickle.dumps(Bomb(canary))) is None and canary.exists()
    canary.unlink()
    client = redis.Redis.from_url(walk.broker.url)
    for kind in ("application/x-python-serialize", "application/x-unknown", "application/json"):
        client.lpush("custody", _envelope(kind, pickle.dumps(Bomb(canary))))
    walk.worker.start()
    wait_until(lambda: not client.llen("custody") and "worker ready" in walk.logs(), seconds=60)
    client.close()
    asked = walk.road.ask("acme", btc("0.01"))
    walk.until(asked.id, "awaiting_signatures")
    assert walk.worker.is_running()
    assert not canary.exists()
    walk.road.check()


def _envelope(kind: str, body: bytes) -> bytes:
    """A message of our own task as kombu writes it, but for its body."""
    properties = {
        "correlation_id": "c",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "custody"},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": kind,
    }
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "binary",
            "content-type": kind,
            "headers": {"task": "housekeeping", "id": "1"},
            "properties": properties,
        }
    ).encode()
