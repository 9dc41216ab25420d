"""The API's process: where it listens, what it logs, how it begins and ends, and dying at every one of its points."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from custody.kernel.crash import points_in
from custody.signing import operations as signing
from tests.integration.api.bundles import open_bundle, signed_by
from tests.integration.api.callers import TOKENS
from tests.integration.api.server import REPOSITORY, Server, plain_environment
from tests.support.processes import listening_addresses
from tests.support.world import BTC, House, environment

POINTS = points_in(REPOSITORY / "custody" / "api")

Serve = Callable[..., Server]


@pytest.fixture
def house(house: House) -> House:
    house.open_client("acme", branch=7)
    house.credit("acme", BTC)
    return house


@pytest.fixture
def serve(house: House, tmp_path: Path) -> Iterator[Serve]:
    made: list[Server] = []

    def make(**settings: object) -> Server:
        made.append(Server.on(house, tmp_path, **settings).start())
        return made[-1]

    yield make
    for server in made:
        server.child.kill()


def test_listens_on_loopback_only_and_ends_when_asked(serve: Serve) -> None:
    server = serve()
    assert listening_addresses(server.port) == {"127.0.0.1"}
    assert "server" not in httpx2.get(f"http://127.0.0.1:{server.port}/healthz").headers
    assert server.stop() == 0


def test_logs_every_call_as_json_under_its_request_id_and_no_token(serve: Serve, house: House) -> None:
    server = serve()
    body = house.body(house.withdrawal_request("acme", 1_000_000))
    server.send("exchange", "POST", "/v1/withdrawals", json=body, headers={"Request-Id": "call-1"})
    server.send("auditor", "POST", "/v1/withdrawals", json=body, headers={"Request-Id": "call-2"})
    stranger = {"Authorization": "Bearer stranger-token-7777777", "Request-Id": "call-3"}
    httpx2.get(f"http://127.0.0.1:{server.port}/v1/clients?token=canary-in-a-query", headers=stranger)
    server.stop()
    answered = {line["correlation_id"]: line for line in server.log() if line["event"] == "answered"}
    assert [answered[name]["status"] for name in ("call-1", "call-2", "call-3")] == [201, 403, 401]
    assert answered["call-1"]["caller"] == "exchange"
    secrets = [token for _, token in TOKENS.values()] + ["stranger-token-7777777", "canary-in-a-query"]
    assert [secret for secret in secrets if secret in server.log_text()] == []


def test_the_request_id_goes_on_into_the_audit_log_and_the_outbox(serve: Serve, house: House) -> None:
    server = serve()
    body = house.body(house.withdrawal_request("acme", 1_000_000))
    server.send("exchange", "POST", "/v1/withdrawals", json=body, headers={"Request-Id": "call-1"})
    with house.db.unit() as unit:
        for table in ("audit_events", "outbox"):
            found = unit.session.connection().exec_driver_sql(f"SELECT correlation_id FROM {table}").scalars().all()
            assert "call-1" in found


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("not json", "CUSTODY_API_TOKENS_FILE"),
        ('{"callers": [{"name": "x", "role": "king", "token_sha256": "' + "0" * 64 + '"}]}', "callers.role"),
        ('{"callers": [{"name": "x", "role": "reader", "token_sha256": "plain-token"}]}', "callers.token_sha256"),
        ('{"callers": [], "callers": []}', "CUSTODY_API_TOKENS_FILE"),
    ],
)
def test_refuses_a_garbage_tokens_file_in_one_line(house: House, tmp_path: Path, text: str, field: str) -> None:
    (tmp_path / "tokens.json").write_text(text)
    ended = run(house, api_tokens_file=tmp_path / "tokens.json")
    assert ended.returncode == 2
    assert re.fullmatch(rf"error: \S*{field}: .+\n", ended.stderr)
    assert "plain-token" not in ended.stderr


def test_refuses_a_missing_tokens_file_and_a_garbage_setting(house: House, tmp_path: Path) -> None:
    for settings, field in (({"api_tokens_file": tmp_path / "none"}, "TOKENS_FILE"), ({"api_port": "x"}, "API_PORT")):
        ended = run(house, **settings)
        assert ended.returncode == 2
        assert re.fullmatch(rf"error: CUSTODY_\S*{field}: .+\n", ended.stderr)


@pytest.mark.parametrize("point", POINTS)
def test_dying_at_any_point_and_asking_again_does_it_once(serve: Serve, house: House, point: str) -> None:
    ask, once = STORIES[point.rpartition(".")[0]](house)
    dying = serve(crash_at=point)
    with pytest.raises(httpx2.TransportError):
        ask(dying)
    assert dying.child.wait(10)
    assert dying.child.exit_code() == -signal.SIGKILL
    living = serve()
    answer = ask(living)
    assert answer.status_code in (200, 201, 409), answer.text
    assert once()
    house.expect_ledger()


def run(house: House, **settings: object) -> subprocess.CompletedProcess[str]:
    env = {**plain_environment(), **environment(house.database, **settings)}
    argv = [sys.executable, "-m", "custody.api"]
    return subprocess.run(argv, env=env, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)


Story = tuple[Callable[[Server], httpx2.Response], Callable[[], bool]]


def withdrawal_story(house: House) -> Story:
    body = house.body(house.withdrawal_request("acme", 1_000_000))
    return (
        lambda server: server.send("exchange", "POST", "/v1/withdrawals", json=body),
        lambda: len(house.withdrawals()) == 1 and house.balance("acme") == (BTC - 1_020_000, 1_020_000),
    )


def approval_story(house: House) -> Story:
    digest = house.withdraw(house.withdrawal_request("acme", BTC // 2)).digest
    body = house.approval("bob", digest).to_json()
    return (
        lambda server: server.send("alice", "POST", f"/v1/intents/{digest}/approvals", json=body),
        lambda: house.row_counts()["approvals"] == 2,
    )


def bundle_story(house: House) -> Story:
    open_bundle(house)
    return (
        lambda server: server.send("north", "GET", "/v1/bundles?cosigner=north"),
        lambda: house.row_counts()["bundle_deliveries"] == 1,
    )


def signature_story(house: House) -> Story:
    bundle = open_bundle(house)
    with house.db.unit() as unit:
        signing.give_out(unit.session, cosigner="north", keysets=[house.ceremony.keyset.id], now=unit.now)
    body = {"cosigner": "north", "psbt": signed_by(house, "north", bundle)}
    return (
        lambda server: server.send("north", "POST", f"/v1/bundles/{bundle.id}/signatures", json=body),
        lambda: house.row_counts()["bundle_answers"] == 1,
    )


STORIES: dict[str, Callable[[House], Story]] = {
    "api.withdrawal": withdrawal_story,
    "api.approval": approval_story,
    "api.bundle": bundle_story,
    "api.signature": signature_story,
}


def test_every_point_has_a_story() -> None:
    assert {point.rpartition(".")[0] for point in POINTS} == set(STORIES)
    assert json.dumps(POINTS) == json.dumps(sorted(set(POINTS)))
