"""The port of metrics: one page, one token, and nothing in it that grows with clients or tells of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx2
import pytest

from config import settings as configuration
from config.chains import ConfigError
from custody.bootstrap import metrics_page, nodes
from custody.telemetry.listener import listen
from custody.telemetry.metrics import BY_NAME, METRICS
from custody.telemetry.page import Page
from demo.child import free_port
from tests.integration.movements.counting import statements_of
from tests.support.alerts import readings
from tests.support.crowd import fill
from tests.support.servers import FreshDatabase
from tests.support.world import House, environment

TOKEN = "t" * 32
NOT_IN_THIS_HOUSE = {
    *("custody_hot_gas_balance", "custody_payer_low", "custody_payer_stopped", "custody_chain_lag_blocks"),
    *("custody_breaks", "custody_stops", "custody_stuck", "custody_reconciliation_age_seconds"),
    *("custody_reconciliation_balanced", "custody_chain_head_age_seconds"),
    *("custody_cosigner_last_seen_timestamp_seconds", "custody_audit_events_total"),
}
"""What a house without a payer, a node and a payment that was signed has nothing to say of."""


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    house = House.found(database)
    house.open_client("acme", branch=1)
    house.credit("acme", 10**8)
    house.withdraw(house.withdrawal_request("acme", 10**7))
    yield house
    house.close()


@pytest.fixture
def page(house: House) -> Page:
    return metrics_page(house.runtime, nodes(house.runtime))


def test_is_read_with_the_token_and_with_nothing_else(page: Page) -> None:
    port = free_port()
    server = listen(page.render, host="127.0.0.1", port=port, token=TOKEN)
    try:
        at = f"http://127.0.0.1:{port}/metrics"
        found = httpx2.get(at, headers={"Authorization": f"Bearer {TOKEN}"})
        assert found.status_code == 200
        assert found.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "custody_readings_up 1.0" in found.text
        for given in ("", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}"):
            refused = httpx2.get(at, headers={"Authorization": given} if given else {})
            assert (refused.status_code, "custody_readings" in refused.text) == (401, False), given
        assert httpx2.get(f"{at}/x", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 404
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("token", [None, "", "short", "t" * 31, "ä" * 40, " " * 40])
def test_a_port_without_a_token_nobody_guesses_is_refused(database: FreshDatabase, token: str | None) -> None:
    chosen = {"metrics_port": 9464} | ({} if token is None else {"metrics_token": token})
    with pytest.raises(ConfigError, match="CUSTODY_METRICS_TOKEN") as refused:
        configuration.load(environment(database, **chosen))
    assert not token or token not in str(refused.value)


def test_without_a_port_nothing_is_listened_on(database: FreshDatabase) -> None:
    assert configuration.load(environment(database)).metrics is None


def test_every_metric_is_said_as_the_table_has_it(page: Page) -> None:
    page.answers.told("/v1/clients/acme", 200, 0.01)
    page.answers.told("/console", 403, 0.01)
    found = {reading.metric: tuple(reading.labels) for reading in readings(page.render()) if reading.metric in BY_NAME}
    said = {metric for metric in METRICS if metric.name not in NOT_IN_THIS_HOUSE and metric.kind != "histogram"}
    assert found == {metric.name: metric.labels for metric in said}
    doors = {
        tuple(reading.labels.values()) for reading in readings(page.render()) if "requests_total" in reading.metric
    }
    assert doors == {("api", "2xx"), ("console", "4xx")}


def test_counts_what_the_policy_answered_since_it_began(house: House, page: Page) -> None:
    def verdicts() -> dict[str, int]:
        found = readings(page.render())
        return {each.labels["verdict"]: each.value for each in found if each.metric == "custody_policy_decisions_total"}

    assert verdicts() == {"allow": 0, "require": 0, "deny": 0}
    house.withdraw(house.withdrawal_request("acme", 10**6))
    house.withdraw(house.withdrawal_request("acme", 10**7))
    before = verdicts()
    assert sum(before.values()) == 2
    assert verdicts() == before


def test_ten_thousand_clients_add_no_series_and_no_statement(postgres: Callable[[], FreshDatabase]) -> None:
    few, few_statements = _crowded(postgres(), clients=10)
    many, many_statements = _crowded(postgres(), clients=10_000)
    assert many_statements == few_statements
    assert _series(many) == _series(few)
    assert len(_series(many)) < 2_000
    assert sum(each.value for each in readings(many) if each.metric == "custody_withdrawals") > 200
    assert not any(name in many.decode() for name in ("crowd-", "wdr_", "bcrt1"))


def _crowded(database: FreshDatabase, *, clients: int) -> tuple[bytes, int]:
    """The second page of a house with so many clients and withdrawals, and the statements it took."""
    house = House.found(database)
    fill(house, clients=clients, waiting=clients // 50 + 2, stuck=2, runs=2, breaks=1)
    page = metrics_page(house.runtime, nodes(house.runtime))
    page.render()
    rendered = page.render()
    statements = len(statements_of(house.db, page.render))
    house.close()
    return rendered, statements


def _series(page: bytes) -> list[tuple[str, tuple[str, ...]]]:
    return sorted((each.metric, tuple(each.labels.values())) for each in readings(page))
