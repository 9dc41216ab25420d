"""A withdrawal is given up through the API's own door, by a signed request: what is refused writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from custody.api.app import application
from custody.api.auth import Callers
from custody.bootstrap import Runtime
from custody.telemetry.nodes import Nodes
from demo.servers import Anvil
from tests.chains.ethereum.conftest import ANVIL, ETHER
from tests.integration.api.callers import TOKENS, Caller
from tests.support.servers import FreshDatabase
from tests.support.turns import Turns, sign
from tests.support.world import write_tokens


@pytest.fixture
def road(anvil: Anvil, database: FreshDatabase) -> Turns:
    road = Turns(database, anvil)
    road.open("acme")
    road.fund("acme", 2 * ETHER)
    return road


@pytest.fixture
def chain(road: Turns) -> SimpleNamespace:
    """What the API asks of a chain it serves."""
    return SimpleNamespace(
        chain=ANVIL.chain,
        node=road.reader,
        spend_rules=road.rules,
        addressing=road.reader,
        client_bears_fees=False,
    )


@pytest.fixture
def exchange(road: Turns, chain: SimpleNamespace, tmp_path: Path) -> Iterator[Caller]:
    callers = Callers.load(write_tokens(tmp_path / "tokens.json", TOKENS))
    settings = SimpleNamespace(database_url="", broker_url="", api_proxies=(), api_names=(), api_sandbox=False)
    served = cast("Runtime", SimpleNamespace(database=road.db, chains={}, settings=settings, of=lambda _chain: chain))
    app = application(served, callers, nodes=cast("Nodes", SimpleNamespace()))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Caller(client, "exchange")


def test_asks_once_and_says_where_it_stands(road: Turns, exchange: Caller) -> None:
    asked = road.ask("acme", ETHER)
    road.settle()
    request = road.respend_request(asked)
    body = {"request": request.to_json(), "signature": sign(request).to_json()}
    first, again = (exchange.post("/v1/respends", body) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    told: dict[str, Any] = first.json()
    assert told == again.json()
    assert (told["withdrawal"], told["status"], told["intent_state"]) == (asked.id, "broadcast", "pending")
    assert first.headers["Location"] == f"/v1/intents/{told['intent_digest']}"
    road.approve(told["intent_digest"], "alice")
    road.pay_out()
    assert road.state(asked) == "cancelled"
    road.check()


def test_a_quote_says_what_carrying_it_costs_and_whom(road: Turns, chain: SimpleNamespace, exchange: Caller) -> None:
    asked = road.withdrawal_request("acme", ETHER)
    told = exchange.post("/v1/withdrawals/quote", {"request": asked.to_json()}).json()
    market = road.reader.market()
    assert int(told["fee"]["base_units"]) == 100_000 * market.likely > 0
    assert (told["borne_by"], told["fee_asset"], told["within_max_fee"]) == ("house", "ETH", True)
    chain.client_bears_fees = True
    assert exchange.post("/v1/withdrawals/quote", {"request": asked.to_json()}).json()["borne_by"] == "client"
    road.check()


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"amount": "1"}, 422, "request.amount"),
        ({"of": "ab" * 32}, 404, "request.of"),
        ({"client": "another"}, 404, "request.of"),
        ({"of": "AB" * 32}, 422, "request.of"),
        ({"kind": "withdrawal"}, 422, "request.kind"),
        ({"purpose": "another"}, 403, "signature.signature"),
    ],
)
def test_refuses_by_the_field_and_writes_nothing(
    road: Turns, exchange: Caller, change: dict[str, str], status: int, field: str
) -> None:
    asked = road.ask("acme", ETHER)
    road.settle()
    request = road.respend_request(asked)
    document = {**request.to_json(), **change}
    signature = sign(request)
    if (change.keys() & {"client", "of"} and status != 422) or "amount" in change:
        signature = sign(type(request).parse(document))
    before = road.head()
    answer = exchange.post("/v1/respends", {"request": document, "signature": signature.to_json()})
    assert (answer.status_code, answer.json().get("field")) == (status, field)
    assert asked.client not in answer.text
    assert (road.head(), road.see(asked).respend) == (before, None)
