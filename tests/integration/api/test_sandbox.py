"""A house on a network of its own tells its node what to do; no other house has a route for that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from custody.api import access
from custody.api.app import application, routes_served
from custody.api.auth import Callers
from custody.bootstrap import assemble, read_settings, sandbox
from custody.chains.bitcoin.sandbox import BitcoinSandbox
from custody.chains.ethereum.sandbox import EthereumSandbox
from custody.chains.port import WrongNetwork
from custody.chains.sandbox import NoFaucet
from custody.deposits import queries as deposits
from custody.kernel.errors import InvalidInput
from tests.cosigner.builders import REGTEST
from tests.integration.api.callers import expect_problem
from tests.integration.api.signing import Signer, call_key, row, serving_rows
from tests.support.road import Road
from tests.support.servers import FreshDatabase, Servers
from tests.support.world import BTC, environment

SANDBOX = {("POST", f"/v1/test/{act}") for act in ("mine", "deposit", "reorg")}


@pytest.fixture(scope="module")
def house(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    database, node = servers.fresh_database(), servers.bitcoind()
    node.fund()
    house = Road.build(database, node, tmp_path_factory.mktemp("house"), api_sandbox="on")
    for client in ("acme", "bolt"):
        house.open(client)
        house.stock(house.vaults[client], 3)
    yield house
    house.close()
    servers.drop(database)


@pytest.fixture
def http(house: Road, tmp_path: Path) -> Iterator[TestClient]:
    rows = (
        row("shop"),
        row("reads", scopes=["read"]),
        row("plays", scopes=["sandbox"], clients=["acme"]),
    )
    with serving_rows(house, tmp_path, *rows) as client:
        yield client


def test_no_more_blocks_are_undone_than_there_are() -> None:
    class Young:
        def call(self, method: str, *_: object) -> int:
            assert method == "getblockcount", "nothing is told to undo anything"
            return 3

    node: Any = Young()
    with pytest.raises(InvalidInput, match="there are 3 blocks to undo"):
        BitcoinSandbox(node, node, REGTEST.asset).reorganise(4)


def ask(http: TestClient, act: str, name: str = "shop", **body: Any) -> Any:
    return Signer(http, call_key(name)).send("POST", f"/v1/test/{act}", {"chain": None, **body})


def standing(house: Road, txid: str) -> str:
    house.settle()
    with house.db.unit() as unit:
        (found,) = [each for each in deposits.every(unit.session) if each.txid == txid]
    return found.state.value


def test_a_deposit_is_paid_in_mined_undone_and_mined_again(house: Road, http: TestClient) -> None:
    paid = ask(http, "deposit", client="acme", amount="0.5")
    assert paid.status_code == 201, paid.text
    txid = paid.json()["txid"]
    assert (paid.json()["client"], paid.json()["amount"]["base_units"]) == ("acme", str(BTC // 2))
    assert standing(house, txid) == "seen"
    before = house.node.rpc("getblockcount")
    assert ask(http, "mine", blocks=2).json() == {"chain": house.runtime.only.chain, "height": before + 2}
    assert standing(house, txid) == "confirming"
    undone = ask(http, "reorg", depth=2)
    assert undone.json()["height"] == before + 3
    # It is no block's any more; the node has it still, so it can be mined again.
    assert standing(house, txid) in ("orphaned", "seen")
    ask(http, "mine", blocks=6)
    assert standing(house, txid) == "credited"
    house.expect_whole()


def test_is_held_to_its_own_scope_and_to_its_clients(house: Road, http: TestClient) -> None:
    height = house.node.rpc("getblockcount")
    expect_problem(ask(http, "mine", name="reads", blocks=1), 403, "scope-refused")
    assert ask(http, "mine", name="plays", blocks=1).json()["height"] == height + 1
    expect_problem(ask(http, "deposit", name="plays", client="bolt", amount="1"), 403, "client-refused")
    refused = Signer(http, call_key("plays")).send("GET", "/v1/assets")
    expect_problem(refused, 403, "scope-refused")


@pytest.mark.parametrize(
    ("act", "body", "field"),
    [
        ("mine", {"blocks": 0}, "blocks"),
        ("mine", {"blocks": 201}, "blocks"),
        ("reorg", {"depth": 21}, "depth"),
        ("mine", {"blocks": 1, "chain": "mainnet"}, "chain"),
        ("deposit", {"client": "acme", "amount": 1}, "amount"),
        ("deposit", {"client": "acme", "amount": "0.000000001"}, "amount"),
    ],
)
def test_what_is_not_accepted_is_named_and_gives_no_address(
    house: Road, http: TestClient, act: str, body: dict[str, Any], field: str
) -> None:
    before = house.row_counts()
    expect_problem(ask(http, act, **body), 422, "invalid-input", field)
    after = house.row_counts()
    assert after.pop("call_nonces") - before.pop("call_nonces") in (0, 1)
    assert after == before


def test_a_node_of_another_network_is_told_nothing(
    house: Road, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(*_: object) -> None:
        raise WrongNetwork("the node is of another network")

    height = house.node.rpc("getblockcount")
    monkeypatch.setattr(type(house.runtime.only.node), "require_ready", elsewhere)
    for act, body in (("mine", {"blocks": 1}), ("reorg", {"depth": 1}), ("deposit", {"client": "acme", "amount": "1"})):
        expect_problem(ask(http, act, **body), 403, "wrong-network")
    assert house.node.rpc("getblockcount") == height
    assert house.node.rpc("getrawmempool") == []


def test_no_house_has_these_routes_but_where_it_is_asked_for(database: FreshDatabase, tmp_path: Path) -> None:
    assert {(route.method, route.path) for route in routes_served()}.isdisjoint(SANDBOX)
    assert set(access.SANDBOX) == SANDBOX
    (tmp_path / "callers.json").write_text('{"callers": []}')
    callers = Callers.load(tmp_path / "callers.json")
    for settings, has in (({}, False), ({"network": "mainnet"}, False), ({"api_sandbox": "on"}, True)):
        runtime = assemble(read_settings(environment(database, **settings)))
        app: Any = application(runtime, callers)
        paths = {str(each.path) for each in iter_route_contexts(app._app.routes)}
        assert ({path for _, path in SANDBOX} <= paths) == has == any(path.startswith("/v1/test") for path in paths)
        with TestClient(app) as client:
            found = client.post("/v1/test/mine", json={"chain": None, "blocks": 1})
            assert found.json()["code"] == ("unauthenticated" if has else "no-such-route")
        if not has and settings:
            with pytest.raises(InvalidInput):
                sandbox(runtime, runtime.only.chain)


@pytest.mark.parametrize("made", [lambda rpc: BitcoinSandbox(rpc, rpc, None), EthereumSandbox])
def test_a_node_with_nothing_of_its_own_is_told_apart(made: Any) -> None:
    class Bare:
        def call(self, *_: object) -> list[str]:
            return []

    with pytest.raises(NoFaucet):
        made(Bare()).pay("somebody", BTC)
