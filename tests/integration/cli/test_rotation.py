"""Leaving a keyset from the command line: plan, start, status, until nothing of the older keyset is left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from custody.approvals import queries as intents
from demo.servers import Bitcoind
from tests.cosigner.builders import KEYSET, person_key
from tests.integration.cli.conftest import Command, running, served
from tests.integration.cli.test_runbooks import Reader
from tests.support.road import Road, btc
from tests.support.rotating import LATER, NEWCOMER, RotatingWorld, succeed
from tests.support.servers import FreshDatabase


@pytest.fixture
def road(database: FreshDatabase, chain: Bitcoind, tmp_path: Path) -> Iterator[Road]:
    """A house with acme and the pool of bolt and cask, all funded, which then got a later keyset."""
    now = datetime.now(UTC)
    world = RotatingWorld(now=now, expires_at=now + timedelta(days=365))
    road = Road.build(database, chain, tmp_path, ceremony=world)
    road.seat(NEWCOMER, tmp_path / "west.sqlite")
    road.open("acme")
    road.pool("bolt", "cask")
    for client in ("acme", "bolt", "cask"):
        road.deposit(client, btc("0.1"))
    succeed(road, world.later, deliver=road.deliver)
    yield road
    road.close()


@pytest.fixture
def command(
    road: Road,
    tokens: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Command]:
    """Commands that speak to the road's API, and may read nothing else."""
    monkeypatch.chdir(tmp_path)
    with served(road.runtime, tokens, tmp_path) as port:
        monkeypatch.setenv("CUSTODY_API_PORT", str(port))
        yield running(capsys)


@pytest.fixture
def bob(tokens: dict[str, str], tmp_path: Path) -> tuple[str, ...]:
    """How bob signs and calls."""
    return _person("bob", tokens, tmp_path)


@pytest.fixture
def alice(tokens: dict[str, str], tmp_path: Path) -> tuple[str, ...]:
    """How alice does."""
    return _person("alice", tokens, tmp_path)


def _person(name: str, tokens: dict[str, str], folder: Path) -> tuple[str, ...]:
    path = folder / f"{name}.pem"
    path.write_bytes(person_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return ("--as", name, "--key", str(path), "--token-file", tokens[name])


def agree(road: Road) -> None:
    """Alice approves whatever waits; what follows is done, with the cosigners' help."""
    with road.db.unit() as unit:
        waiting = [filed.digest for filed in intents.waiting(unit.session)]
    for digest in waiting:
        road.approve(digest, "alice")
    road.settle()
    road.mine(6)


def plan(command: Command, token: str, *more: str) -> Any:
    """The plan, for programs."""
    answer = command("rotation", "plan", "--token-file", token, "--format", "json", *more)
    assert answer.code == 0, answer.err
    return answer.json


def test_leaves_a_keyset_by_the_normal_queue(
    road: Road, command: Command, tokens: dict[str, str], bob: tuple[str, ...], alice: tuple[str, ...]
) -> None:
    found = plan(command, tokens["alice"])
    assert [(each["newest"], each["older"]) for each in found["keysets"]] == [(LATER, [KEYSET])]
    branches = {each["client"]: each["branch"] for each in found["openings"]}
    assert (set(branches), branches["bolt"]) == ({"acme", "bolt", "cask"}, branches["cask"])
    assert (found["sweeps"], len(found["left"])) == ([], 2)

    first = command("rotation", "start", *bob, "--yes")
    assert (first.code, first.out.count("client_opening pending")) == (0, 3), first.err
    assert [each["is_asked"] for each in plan(command, tokens["alice"])["openings"]] == [True] * 3
    again = command("rotation", "start", *bob, "--yes")
    assert (again.code, "nothing to ask for" in again.err) == (0, True), "nobody is asked twice"
    agree(road)

    second = command("rotation", "start", *bob, "--yes")
    assert (second.code, second.out.count("sweep pending")) == (0, 3), second.err
    status = command("rotation", "status", "--token-file", tokens["alice"])
    assert status.out.count("operators") == 3 and "sweeps so far: 3 pending_approval" in status.out
    for sweep in road.withdrawals():
        said = command("approve", sweep.id, *alice, "--yes")
        assert (said.code, "Move 0.0" in said.err) == (0, True), said.err
    road.settle()
    road.mine(6)

    found = plan(command, tokens["alice"])
    assert (found["openings"], found["sweeps"], found["left"]) == ([], [], [])
    status = command("rotation", "status", "--token-file", tokens["alice"], "--format", "json")
    remaining = status.json["remaining"]  # type: ignore[index]
    assert [(each["keyset"], each["amount"]["base_units"]) for each in remaining] == [(KEYSET, "0")]
    shown = command("rotation", "status", "--token-file", tokens["alice"])
    assert "sweeps so far: 3 completed" in shown.out
    ended = Reader(command, "", {"alice.token": tokens["alice"]}).follow("rotation")
    assert {code for code, _ in ended.values()} == {0}, ended
    assert all(road.balance(client)[0] > btc("0.099") for client in ("acme", "bolt", "cask"))
    road.check()


def test_names_what_is_wrong_and_asks_for_nothing(
    road: Road, command: Command, tokens: dict[str, str], bob: tuple[str, ...]
) -> None:
    before = road.row_counts()
    for words, field in (
        (("--fee-rate", "5"), "chain"),
        (("--chain", "moon"), "chain"),
        (("--chain", "regtest", "--fee-rate", "10001"), "fee_rate"),
    ):
        answer = command("rotation", "plan", "--token-file", tokens["alice"], *words)
        assert (answer.code, answer.err.count("\n")) == (2, 1), answer.err
        assert f"{field}:" in answer.err
    silent = command("rotation", "start", *bob)
    assert (silent.code, "say --yes" in silent.err) == (2, True), "nobody is there to agree"
    assert road.row_counts() == before
