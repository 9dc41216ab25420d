"""Adversarial cases against money through the API: P-025, P-028, P-029, P-031, P-032, each on a house with coins."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from demo.servers import Bitcoind
from tests.cosigner.builders import World
from tests.integration.api.callers import As, Caller, expect_problem
from tests.integration.api.conftest import serving
from tests.integration.api.server import Server
from tests.support.oracle import plays
from tests.support.road import Road
from tests.support.servers import FreshDatabase, Servers
from tests.support.world import BTC, address

ALLOWING = "\n".join(
    [
        "policy: allowing",
        "version: 1",
        "groups:",
        "  operators: [alice, bob, carol]",
        "rules:",
        "  - permit: everything",
        "    match: {kind: [withdrawal, client_opening]}",
        "  - require: an operator opens a client",
        "    match: {kind: client_opening}",
        "    approvals: {operators: 1}",
    ]
)


@pytest.fixture(scope="module")
def house(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """One for the whole module, its money on the chain: what is refused leaves nothing, and each test sees to that."""
    database, node = servers.fresh_database(), servers.bitcoind()
    node.fund()
    house = Road.build(database, node, tmp_path_factory.mktemp("house"))
    house.open("acme")
    house.deposit("acme", BTC)
    yield house
    house.check()
    house.close()
    servers.drop(database)


@pytest.fixture(scope="module")
def call_as(house: Road, tmp_path_factory: pytest.TempPathFactory) -> Iterator[As]:
    with serving(house, tmp_path_factory.mktemp("api")) as client:
        yield lambda name: Caller(client, name)


def together(server: Server, bodies: list[dict[str, object]], threads: int) -> list[tuple[int, bool, bytes]]:
    """Post every body at once; (status, replayed, content) of each."""
    go = Event()

    def post(body: dict[str, object]) -> tuple[int, bool, bytes]:
        go.wait(30)
        answer = server.send("exchange", "POST", "/v1/withdrawals", json=body)
        return answer.status_code, "idempotency-replayed" in answer.headers, answer.content

    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(post, body) for body in bodies]
        go.set()
        return [item.result() for item in waiting]


@contextmanager
def served(road: Road, folder: Path) -> Iterator[Server]:
    """The house's API as a process, one client's money on the chain; ends in the whole check."""
    road.open("acme")
    road.deposit("acme", BTC + 20_000)
    server = Server.on(road, folder).start()
    try:
        yield server
    finally:
        server.child.kill()
    road.check()
    road.close()


@plays("P-028")
def test_p_028_a_hundred_equal_requests_at_once_are_one_withdrawal(
    database: FreshDatabase, chain: Bitcoind, tmp_path: Path
) -> None:
    house = Road.build(database, chain, tmp_path)
    with served(house, tmp_path) as server:
        body = house.body(house.withdrawal_request("acme", 2_000_000))
        answers = together(server, [body] * 100, threads=100)
        assert len(house.withdrawals()) == 1
        assert house.balance("acme") == (BTC - 2_000_000, 2_020_000)
    assert sorted(status for status, _, _ in answers) == [200] * 99 + [201]
    assert all(replayed == (status == 200) for status, replayed, _ in answers)
    assert len({content for _, _, content in answers}) == 1


@plays("P-025")
def test_p_025_of_many_withdrawals_of_everything_one_is_accepted(
    database: FreshDatabase, chain: Bitcoind, tmp_path: Path
) -> None:
    house = Road.build(database, chain, tmp_path, ceremony=_world_with(ALLOWING, database))
    with served(house, tmp_path) as server:
        bodies = [house.body(house.withdrawal_request("acme", BTC)) for _ in range(100)]
        answers = together(server, bodies, threads=50)
        assert len(house.withdrawals()) == 1
        assert house.balance("acme") == (0, BTC + 20_000)
    assert sorted({status for status, _, _ in answers}) == [201, 403]
    assert sum(status == 201 for status, _, _ in answers) == 1


@plays("P-029")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", 2_000_001),
        ("destination", address("a thief")),
        ("max_fee", 20_001),
        ("purpose", "another"),
        ("client", "other"),
    ],
)
def test_p_029_a_key_used_again_for_another_body_is_refused_by_field(
    house: Road, call_as: As, field: str, value: object
) -> None:
    request = house.withdrawal_request("acme", 2_000_000)
    first = call_as("exchange").post("/v1/withdrawals", house.body(request)).json()
    before = house.row_counts()
    changed = replace(request, **{field: value})
    answer = call_as("exchange").post("/v1/withdrawals", house.body(changed))
    expect_problem(answer, 422, "idempotency-mismatch", f"request.{field}")
    after = house.row_counts()
    assert after.pop("audit_events") == before.pop("audit_events") + 1
    assert after == before
    assert call_as("auditor").get(f"/v1/withdrawals/{first['id']}").json() == first
    house.expect_whole()


@plays("P-031", "P-032")
@pytest.mark.parametrize("name", ["amount", "max_fee"])
@pytest.mark.parametrize(
    "amount",
    [
        *("-1", "0", "NaN", "Infinity", "1e400", "1,5", "١٢٣", "+1", " 1", "1 ", "0x10", ""),
        *("1.0", "0.123456789", "0.1234567890123456789", "01", "1_000", "9" * 79, "9" * 5000, "２", "\x001", "-0"),
        *(1, -1, 0, 2**63, True, None, [], {}, ["1"]),
    ],
    ids=lambda amount: repr(amount)[:24],
)
def test_p_031_p_032_no_such_amount_is_taken(house: Road, call_as: As, name: str, amount: object) -> None:
    before = house.row_counts()
    body = house.body(house.withdrawal_request("acme", 2_000_000))
    body["request"][name] = amount
    document = expect_problem(call_as("exchange").post("/v1/withdrawals", body), 422, "invalid-input")
    assert document["field"] == f"request.{name}"
    assert house.row_counts() == before
    house.expect_whole()


@plays("P-031")
@pytest.mark.parametrize("name", ["amount", "max_fee"])
@pytest.mark.parametrize("amount", [2**63, 2**256, 10**78 - 1, 2_100_000_000_000_001])
def test_p_031_more_than_there_will_ever_be_is_not_taken_though_signed(
    house: Road, call_as: As, name: str, amount: int
) -> None:
    before = house.row_counts()
    body = house.body(replace(house.withdrawal_request("acme", 2_000_000), **{name: amount}))
    expect_problem(call_as("exchange").post("/v1/withdrawals", body), 422, "invalid-input", f"request.{name}")
    assert house.row_counts() == before
    house.expect_whole()


@plays("P-031")
@pytest.mark.parametrize("number", ["1.5", "1e400", "NaN", "Infinity", "-0.0", "1E2"])
def test_p_031_nor_as_a_json_number(house: Road, call_as: As, number: str) -> None:
    before = house.row_counts()
    content = f'{{"request": {{"amount": {number}}}, "signature": {{}}}}'
    answer = call_as("exchange").send("POST", "/v1/withdrawals", content=content.encode())
    expect_problem(answer, 422, "invalid-input", "body")
    assert house.row_counts() == before
    house.expect_whole()


def _world_with(policy: str, database: FreshDatabase) -> World:
    with database.db.unit() as unit:
        return World(policy=policy, now=unit.now, expires_at=unit.now + timedelta(days=365))
