"""Whether a process says truthfully what it can do: alive, able to serve, whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient

from custody.bootstrap import nodes, readiness
from custody.db import Database
from custody.db.schema import newest
from custody.telemetry import broker as asking
from custody.telemetry.ready import Ready
from demo.servers import Bitcoind, Broker
from tests.integration.api.conftest import serving
from tests.support.road import Road
from tests.support.servers import FreshDatabase
from tests.support.world import House

WHOLE = {"database": "ok", "schema": "ok", "broker": "ok", "regtest": "ok"}


@pytest.fixture
def road(database: FreshDatabase, chain: Bitcoind, broker: Broker, tmp_path: Path) -> Iterator[Road]:
    road = Road.build(database, chain, tmp_path, broker_url=broker.url)
    yield road
    road.close()


def look(house: House) -> dict[str, str]:
    """The parts, asked afresh."""
    return dict(readiness(house.runtime, nodes(house.runtime)).look().parts)


def test_is_ready_when_every_part_is_well_and_says_which_is_not(road: Road, broker: Broker) -> None:
    assert look(road) == WHOLE
    broker.stop()
    assert look(road) == WHOLE | {"broker": "down"}
    broker.start()
    road.node.mine(7)
    assert look(road) == WHOLE | {"regtest": "late"}
    road.scan()
    assert look(road) == WHOLE


def test_another_schema_than_the_programs_is_told(road: Road, database: FreshDatabase) -> None:
    engine = create_engine(database.owner_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert look(road) == WHOLE | {"schema": "down"}
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": newest()})
    engine.dispose()
    assert look(road) == WHOLE


def test_a_wrong_password_is_no_broker(broker: Broker) -> None:
    assert asking.answers(broker.url)
    assert not asking.answers(broker.url.replace("://:", "://:x"))
    assert not asking.answers("redis://127.0.0.1:1/0")


def test_the_door_stays_open_while_nodes_and_broker_are_away(database: FreshDatabase, tmp_path: Path) -> None:
    house = House.found(database)
    with serving(house, tmp_path) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        found = client.get("/readyz")
        assert (found.status_code, found.json()["status"]) == (200, "impaired")
        assert found.json()["parts"] == {"database": "ok", "schema": "ok", "broker": "down", "regtest": "down"}
        whole = client.get("/readyz?whole=true")
        assert (whole.status_code, whole.headers["retry-after"]) == (503, "2")
    house.close()


def test_without_postgres_it_lives_and_cannot_serve(database: FreshDatabase, tmp_path: Path) -> None:
    house = House.found(database)
    with serving(house, tmp_path) as client:
        dead = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
        _app(client).state.ready = Ready(dead, nodes(house.runtime), names={}, broker_url="redis://127.0.0.1:1/0")
        assert client.get("/healthz").status_code == 200
        found = client.get("/readyz")
        assert (found.status_code, found.json()["status"]) == (503, "down")
        assert "nobody" not in found.text
    house.close()


def test_strangers_who_ask_again_and_again_reach_nothing_behind_us(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    ready, looks = readiness(road.runtime, nodes(road.runtime)), []
    monkeypatch.setattr("custody.telemetry.broker.answers", lambda _url: not looks.append(1))
    for _ in range(50):
        assert ready.look().is_whole
    assert len(looks) < 5


def test_who_asks_while_a_part_is_silent_waits_for_nobody(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise whoever asks often enough holds every thread of the API with nothing but this question."""
    ready, asked, answers = readiness(road.runtime, nodes(road.runtime)), threading.Event(), threading.Event()
    before = ready.look()

    def is_silent(_url: str) -> bool:
        asked.set()
        return answers.wait(30)

    monkeypatch.setattr("custody.telemetry.ready.FRESH_SECONDS", -1)
    monkeypatch.setattr("custody.telemetry.broker.answers", is_silent)
    slow, quick = threading.Thread(target=ready.look), threading.Thread(target=ready.look)
    slow.start()
    try:
        assert asked.wait(30)
        quick.start()
        quick.join(10)
        assert not quick.is_alive()
        assert ready.look() is before
    finally:
        answers.set()
        slow.join(30)
        quick.join(30)


def _app(client: TestClient) -> Any:
    return client.app._app
