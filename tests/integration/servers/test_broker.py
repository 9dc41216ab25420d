"""The broker answers to its password alone, and forgets everything when it dies."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from demo.servers import Broker
from tests.support.processes import arguments_of, listening_addresses


@pytest.fixture
def server(home: Path) -> Iterator[Broker]:
    broker = Broker(home)
    broker.start()
    yield broker
    broker.stop()


@pytest.mark.parametrize("interruption", ["kill", "stop"])
def test_comes_back_empty_on_the_same_url(server: Broker, interruption: str) -> None:
    url = server.url
    redis.Redis.from_url(url).set("bell", "1")
    getattr(server, interruption)()
    assert not server.is_ready()
    server.start()
    assert server.url == url
    assert redis.Redis.from_url(url).dbsize() == 0


def test_flush_forgets_everything(server: Broker) -> None:
    client = redis.Redis.from_url(server.url)
    client.set("bell", "1")
    server.flush()
    assert client.dbsize() == 0


def test_refuses_whoever_has_no_password(server: Broker) -> None:
    once = Retry(NoBackoff(), 0)
    for password in (None, "wrong"):
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=server.port, password=password, retry=once).ping()


def test_listens_on_loopback_only(server: Broker) -> None:
    assert listening_addresses(server.port) == {"127.0.0.1"}


def test_shows_its_password_to_nobody(server: Broker, home: Path) -> None:
    password = server.url.split(":")[2].split("@")[0]
    assert password not in arguments_of(server.pid)
    configuration = home / "broker" / "broker.conf"
    assert password in configuration.read_text()
    assert stat.S_IMODE(configuration.stat().st_mode) == 0o600


def test_leaves_nothing_on_disk(server: Broker, home: Path) -> None:
    redis.Redis.from_url(server.url).set("bell", "1")
    server.stop()
    assert [file.name for file in (home / "broker").iterdir()] == ["broker.conf"]
