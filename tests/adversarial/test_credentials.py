"""Credentials against each other through the API, P-030 and P-116, on a house with coins: routes from the application.

A route that is new is tried by itself, and fails here until ``custody.api.access`` says whose things it touches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from starlette.testclient import TestClient

from custody.addresses import queries
from custody.api.access import RULES, Anybodys, Filtered, InBody, OfThing, TheHouses
from custody.events import queries as events
from custody.webhooks import operations as webhooks
from custody.webhooks.signing import Sealer
from tests.cosigner.builders import World
from tests.integration.api.callers import Caller
from tests.integration.api.signing import Signer, call_key, row, serving_rows
from tests.integration.api.test_doors import templates
from tests.support.oracle import plays
from tests.support.road import Road
from tests.support.servers import Servers
from tests.support.world import BTC


@pytest.fixture(scope="module")
def house(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """Two clients with money, each with a withdrawal; two who may ask for payments."""
    database, node = servers.fresh_database(), servers.bitcoind()
    node.fund()
    house = Road.build(database, node, tmp_path_factory.mktemp("house"), ceremony=_two_requesters())
    for client in ("acme", "bolt"):
        house.open(client)
        house.deposit(client, BTC)
    yield house
    house.check()
    house.close()
    servers.drop(database)


@pytest.fixture(scope="module")
def client(house: Road, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    rows = (
        *(row("exchange-acme", clients=["acme"]), row("exchange-bolt", clients=["bolt"])),
        *(row("reader-bolt", "reader", clients=["bolt"]), row("nobody", clients=[])),
    )
    with serving_rows(house, tmp_path_factory.mktemp("api"), *rows) as client:
        yield client


def things(house: Road, client: TestClient, whose: str) -> dict[str, str]:
    """What the paths of the application can name of one client's."""
    withdrawal, everybodys = house.ask(whose, 100_000), Caller(client, "exchange")
    key = {"Idempotency-Key": f"bulk-{withdrawal.id}"}
    job = everybodys.post(f"/v1/clients/{whose}/addresses/bulk", {"chain": None, "count": 1}, headers=key)
    deposit = everybodys.get(f"/v1/clients/{whose}/deposits").json()["deposits"][0]
    return {
        "client": whose,
        "withdrawal": withdrawal.id,
        "digest": withdrawal.digest,
        "deposit": deposit["id"],
        "job": job.json()["id"],
        "bundle": f"bnd_{'0' * 26}",
        "endpoint": endpoint_of(house, whose),
        "event": event_of(house, whose),
    }


def endpoint_of(house: Road, whose: str) -> str:
    """A webhook endpoint of this client's."""
    with house.db.unit() as unit:
        made = webhooks.add(
            unit.session,
            url="https://receiver.example/",
            client=whose,
            types=[],
            payload="full",
            label="books",
            sealer=Sealer(house.runtime.seal_key),
            actor="exchange",
            now=unit.now,
        )
    return made.endpoint.id


def event_of(house: Road, whose: str) -> str:
    """The first event told of this client."""
    with house.db.unit() as unit:
        return events.after(unit.session, cursor=0, limit=1, client=whose).events[0].id


def sent_to(method: str, template: str, named: Mapping[str, str]) -> tuple[str, Any]:
    """A path and a body that name this client's things wherever the route looks."""
    rule = RULES[(method, template)]
    path = template.format(**named) + f"?client={named['client']}"
    body: Any = named["client"]
    for key in reversed(rule.whose.keys if isinstance(rule.whose, InBody) else ("client",)):
        body = {key: body}
    return path, (body if method == "POST" else None)


def test_every_route_has_a_rule_and_every_rule_a_route(client: TestClient) -> None:
    assert templates(client) == set(RULES)


@plays("P-116")
@pytest.mark.parametrize("name", ["exchange-bolt", "reader-bolt", "nobody"])
def test_p_116_no_route_shows_or_moves_what_is_another_clients(house: Road, client: TestClient, name: str) -> None:
    acme, caller = things(house, client, "acme"), Signer(client, call_key(name))
    secret = [*acme.values(), *(address.address for address in _addresses(house, "acme"))]
    before = _counts(house)
    for method, template in sorted(templates(client)):
        whose = RULES[(method, template)].whose
        path, body = sent_to(method, template, acme)
        answer = caller.send(method, path, body)
        if isinstance(whose, (Anybodys, Filtered)):
            assert answer.status_code == 200, (method, template, answer.text)
        else:
            assert answer.status_code in (403, 404), (method, template, answer.text)
        assert not [each for each in secret if each in answer.text], (method, template)
        if isinstance(whose, OfThing):
            # Not to be told from what never was.
            named = acme[whose.parameter]
            never = caller.send(method, path.replace(named, named[:-8] + 8 * "0"), body)
            assert _without_id(never.json()) == _without_id(answer.json()), (method, template)
    assert _counts(house) == before
    house.expect_whole()


def test_the_same_credential_does_all_of_it_for_its_own_client(house: Road, client: TestClient) -> None:
    bolt, caller = things(house, client, "bolt"), Signer(client, call_key("exchange-bolt"))
    for method, template in sorted(templates(client)):
        whose = RULES[(method, template)].whose
        if "{endpoint}" in template:
            bolt["endpoint"] = endpoint_of(house, "bolt")
        path, body = sent_to(method, template, bolt)
        answer = caller.send(method, path, body)
        is_closed = answer.status_code in (403, 404) and answer.json()["code"] != "role-refused"
        assert is_closed == isinstance(whose, TheHouses), (method, template, answer.text)


@plays("P-030")
def test_p_030_a_key_used_by_another_requester_is_independent(house: Road, client: TestClient) -> None:
    mine = house.withdrawal_request("acme", 50_000, idempotency_key="order-17")
    theirs = house.withdrawal_request("bolt", 60_000, requester="broker", idempotency_key="order-17")
    first = Signer(client, call_key("exchange-acme")).send("POST", "/v1/withdrawals", house.body(mine))
    other = Signer(client, call_key("exchange-bolt"))
    second = other.send("POST", "/v1/withdrawals", house.body(theirs))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]
    assert not [each for each in ("acme", first.json()["id"], first.json()["intent_digest"]) if each in second.text]
    again = other.send("POST", "/v1/withdrawals", house.body(theirs))
    assert (again.status_code, again.json()["id"]) == (200, second.json()["id"])
    # What was asked for for acme cannot be asked for again by who is bound to bolt, though the body is the very same.
    assert other.send("POST", "/v1/withdrawals", house.body(mine)).status_code == 403
    house.expect_whole()


def _two_requesters() -> World:
    return World(requesters=("exchange", "broker"))


def _addresses(house: Road, client: str) -> list[Any]:
    with house.db.unit() as unit:
        return list(queries.of_client(unit.session, client=client, seal_key=house.runtime.seal_key))


def _counts(house: Road) -> dict[str, int]:
    """Without the memory of calls themselves."""
    return {table: count for table, count in house.row_counts().items() if table != "call_nonces"}


def _without_id(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name != "request_id"}
