"""The program and the API it speaks to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from custody.evidence.bundle import Refusal
from tests.cosigner.builders import PASSPHRASE, World
from tests.cosigner.keyholder import (
    DONE,
    INVALID,
    REFUSED,
    ROOT,
    UNREACHABLE,
    WAITING,
    Keyholder,
    error_line,
    live_bundle,
)
from tests.cosigner.stand_in import Daemon, standing_in


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with standing_in() as state:
        yield state


def _fetch(keyholder: Keyholder, url: str, *extra: str) -> int:
    return keyholder.fetch(url, *extra)


def test_fetch_answers_what_is_there(pinned: Keyholder, live: World, daemon: Daemon) -> None:
    daemon.bundles = [live_bundle(live).to_json()]
    assert _fetch(pinned, daemon.url, "--once") == DONE
    assert daemon.asked == [
        ("/v1/announcements", "Bearer sesame"),
        ("/v1/bundles?cosigner=north", "Bearer sesame"),
    ]
    ((path, body),) = daemon.taken
    assert path == "/v1/bundles/bnd_1/signatures"
    assert set(body) == {"cosigner", "psbt"}
    assert body["cosigner"] == "north"


def test_fetch_hands_in_a_signed_refusal(pinned: Keyholder, live: World, daemon: Daemon) -> None:
    daemon.bundles = [live_bundle(live, openings=()).to_json()]
    assert _fetch(pinned, daemon.url, "--once") == REFUSED
    ((path, body),) = daemon.taken
    assert path == "/v1/bundles/bnd_1/refusals"
    refusal, member = Refusal.parse(body["refusal"]), live.keyset.cosigner("north")
    assert member
    assert refusal.reason == "vault-not-the-clients"
    assert member.verifies(refusal.message, body["signature"])


def test_fetch_gives_the_same_answer_when_asked_again(pinned: Keyholder, live: World, daemon: Daemon) -> None:
    daemon.bundles = [live_bundle(live).to_json()]
    assert [_fetch(pinned, daemon.url) for _ in range(2)] == [DONE, DONE]
    assert daemon.taken[0] == daemon.taken[1]


def test_fetch_reads_on_past_a_bundle_it_cannot_read(pinned: Keyholder, live: World, daemon: Daemon) -> None:
    daemon.bundles = [{"format": 1}, live_bundle(live).to_json()]
    assert _fetch(pinned, daemon.url) == REFUSED
    assert len(daemon.taken) == 1


def test_fetch_says_when_there_is_nothing(pinned: Keyholder, daemon: Daemon) -> None:
    assert _fetch(pinned, daemon.url, "--once") == WAITING


def test_fetch_says_when_the_api_does_not_answer(pinned: Keyholder, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert _fetch(pinned, "http://127.0.0.1:1", "--once") == UNREACHABLE
    assert "api" in error_line(capsys)


def test_fetch_says_when_the_api_is_broken(pinned: Keyholder, daemon: Daemon) -> None:
    daemon.status = 503
    assert _fetch(pinned, daemon.url, "--once") == UNREACHABLE


@pytest.mark.parametrize(
    "url", ["http://example.org", "ftp://127.0.0.1", "127.0.0.1:8000", "http://u@127.0.0.1", "http://127.0.0.1:x"]
)
def test_fetch_sends_its_token_nowhere_in_the_clear(
    pinned: Keyholder, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert _fetch(pinned, url, "--once") == INVALID
    assert "sesame" not in error_line(capsys)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_watch_outlives_an_api_that_is_away_and_stops_when_interrupted(
    pinned: Keyholder, live: World, daemon: Daemon, stop: signal.Signals
) -> None:
    daemon.status = 500
    token, passphrase = pinned.write("token", "sesame"), pinned.write("passphrase", PASSPHRASE)
    given = ("fetch", "--api", daemon.url, "--token-file", token, "--passphrase-file", passphrase, "--watch")
    command = [sys.executable, "-m", "custody.cosigner.main", *pinned.arguments(*given, "--interval", "0.05", "--yes")]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stderr=subprocess.PIPE, text=True)
    try:
        _until(lambda: len(daemon.asked) >= 2)
        daemon.bundles, daemon.status = [live_bundle(live).to_json()], 200
        _until(lambda: len(daemon.taken) >= 2)
        process.send_signal(stop)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == DONE
    assert "trying again" in said
    assert "Traceback" not in said
    assert daemon.taken[0] == daemon.taken[1]


def _until(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_fetch_says_when_its_answer_was_not_taken(pinned: Keyholder, live: World, daemon: Daemon) -> None:
    daemon.bundles, daemon.refuses_posts = [live_bundle(live).to_json()], True
    assert _fetch(pinned, daemon.url) == REFUSED


@pytest.mark.parametrize("answer", ["{}", "[]", '{"bundles": {}}', "not json", '{"bundles": [1.5]}'])
def test_fetch_says_when_the_api_answers_nonsense(pinned: Keyholder, daemon: Daemon, answer: str) -> None:
    daemon.says = answer
    assert _fetch(pinned, daemon.url) == UNREACHABLE


@pytest.mark.parametrize("token", ["", "two words", "line\r\nInjected: yes", "schlüssel"])
def test_fetch_refuses_a_token_that_would_break_a_header(pinned: Keyholder, daemon: Daemon, token: str) -> None:
    path = pinned.write("token", token)
    assert pinned.run_open("fetch", "--api", daemon.url, "--token-file", path, "--yes") == INVALID
    assert daemon.asked == []
