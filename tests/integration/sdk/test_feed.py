"""The client on a house with a node: it waits on the feed, reads events by cursor, and asks what a payment costs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from custody.kernel.clock import parse_rfc3339
from custody.sdk import Client, NotAllowed, NotThere, StillWaiting
from custody.sdk.objects import Event, Withdrawal
from tests.cosigner.builders import address
from tests.integration.api.signing import row, serving_rows
from tests.integration.sdk.client import Between, client_of
from tests.support.processes import wait_until
from tests.support.road import Road
from tests.support.servers import Servers
from tests.support.world import BTC

MOST_CALLS = 3
"""Of the journeys that every integration makes."""


@pytest.fixture(scope="module")
def house(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    database, node = servers.fresh_database(), servers.bitcoind()
    node.fund()
    house = Road.build(database, node, tmp_path_factory.mktemp("house"))
    for client in ("acme", "bolt"):
        house.open(client)
        house.deposit(client, BTC)
    yield house
    house.expect_whole()
    house.close()
    servers.drop(database)


@pytest.fixture(scope="module")
def http(house: Road, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    rows = (row("shop"), row("bolts", clients=["bolt"]), row("asks", scopes=["withdraw:request"]))
    with serving_rows(house, tmp_path_factory.mktemp("api"), *rows) as client:
        yield client


@pytest.fixture
def joined(house: Road, http: TestClient) -> tuple[Client, Between]:
    return client_of(http, house.ceremony.root.hash)


@pytest.fixture
def client(joined: tuple[Client, Between]) -> Client:
    return joined[0]


def pay(client: Client, amount: str, *, of: str = "acme") -> Withdrawal:
    return client.withdrawals.create(of, "BTC", amount, to=address("somebody"), max_fee="0.0002")


@contextmanager
def waiting(client: Client, between: Between, paid: Withdrawal, until: str) -> Iterator[Future[Withdrawal]]:
    """Somebody who waits in a thread; the body runs once the feed is asked."""
    with ThreadPoolExecutor(1) as pool:
        between.sent.clear()
        answer = pool.submit(client.withdrawals.wait, paid.id, until=until, timeout=60)
        wait_until(lambda: any("wait=" in str(request.url) for request in list(between.sent)))
        yield answer


def test_waiting_hears_of_a_status_that_lasts_a_moment(house: Road, joined: tuple[Client, Between]) -> None:
    client, between = joined
    paid = pay(client, "0.1")
    assert (paid.status, paid.next_actor) == ("pending_approval", "operators")
    with waiting(client, between, paid, "approved") as answer:
        # Another payment of the same client moves, and nobody looks for that.
        other = pay(client, "0.001")
        client.withdrawals.cancel(other.id)
        house.approve(paid.intent_digest, "alice", "bob")
        house.settle()
        found = answer.result(30)
    assert found.status in ("approved", "composed", "awaiting_signatures", "signed", "broadcast")
    assert _looks(between, paid) == 1
    with waiting(client, between, paid, "completed") as answer:
        house.mine(6)
        assert answer.result(30).status == "completed"


def test_a_payment_takes_three_calls_from_asking_to_its_end(house: Road, joined: tuple[Client, Between]) -> None:
    client, between = joined
    client.trust_root()  # Proved once in a process's life: one call more, whatever is done after it.
    assert _calls(between) == 1
    paid = pay(client, "0.1")
    assert _calls(between) == 2
    with waiting(client, between, paid, "completed") as answer:
        house.approve(paid.intent_digest, "alice", "bob")
        house.settle()
        house.mine(6)
        assert answer.result(30).txid
    # The asking (forgotten by who waits), one wait, and one look at what it came to.
    assert 1 + _calls(between) == MOST_CALLS


def test_a_deposit_takes_three_calls_from_a_new_clients_address_to_the_credit(
    house: Road, joined: tuple[Client, Between]
) -> None:
    client, between = joined
    client.trust_root()
    house.open("nova")
    house.stock(house.vaults["nova"], 3)
    cursor = _newest(client)
    between.sent.clear()
    there = client.addresses.new("nova")  # With what proves a new client's vault: asked for once for each client.
    with ThreadPoolExecutor(1) as pool:
        told = client.events(after=cursor, types=["deposit.credited"], client="nova", wait_seconds=30)
        answer = pool.submit(next, told)
        house.node.send(there.address, BTC)
        house.mine(6)
        assert answer.result(30).data["txid"]
    assert _calls(between) == MOST_CALLS
    between.sent.clear()
    client.addresses.new("nova")
    assert _calls(between) == 1


def test_what_a_chain_did_has_the_time_of_its_block_beside_that_of_the_record(house: Road, client: Client) -> None:
    cursor = _newest(client)
    (txid,) = house.deposit("acme", BTC)
    mined, credited = (
        event.raw for event in client.events(after=cursor, types=["deposit.confirming", "deposit.credited"])
    )
    assert parse_rfc3339(mined["occurred_at"], field="occurred_at") == _made(house, mined["data"]["height"])
    assert mined["recorded_at"] == mined["timestamp"] != mined["occurred_at"]
    # Crediting is the house's own act: it happens as it is written down.
    assert credited["occurred_at"] == credited["recorded_at"] == credited["timestamp"]
    (deposit,) = (each.raw for each in client.deposits.list("acme") if each.txid == txid)
    assert deposit["occurred_at"] == mined["occurred_at"] == credited["data"]["occurred_at"]
    assert deposit["recorded_at"] == deposit["first_seen_at"]


def test_a_payment_is_confirmed_at_its_blocks_time_and_completed_when_the_house_says_so(
    house: Road, client: Client
) -> None:
    cursor = _newest(client)
    paid = pay(client, "0.1")
    house.approve(paid.intent_digest, "alice", "bob")
    house.settle()
    house.mine(6)
    told = {event.type: event.raw for event in client.events(after=cursor)}
    confirmed, attempt = told["withdrawal.confirmed"], told["attempt.confirmed"]
    (height,) = (each["confirmed_height"] for each in client.withdrawals.get(paid.id).raw["attempts"])
    for event in (confirmed, attempt):
        assert parse_rfc3339(event["occurred_at"], field="occurred_at") == _made(house, height)
        assert event["recorded_at"] == event["timestamp"] != event["occurred_at"]
    completed = told["withdrawal.completed"]
    assert completed["occurred_at"] == completed["recorded_at"]


def test_waiting_for_what_does_not_exist_ends_at_once(client: Client) -> None:
    with pytest.raises(NotThere) as refused:
        client.withdrawals.wait("wdr_01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert (refused.value.code, refused.value.field) == ("unknown-event", "subject")


@pytest.mark.parametrize("most", [200, 1])
def test_a_status_that_is_over_is_not_waited_for_in_the_past(
    house: Road, client: Client, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pages its past has."""
    for room in ("house", "resources"):
        monkeypatch.setattr(f"custody.sdk.{room}.MOST", most)
    paid = pay(client, "0.1")
    client.withdrawals.cancel(paid.id)
    # It was pending before: what counts is how it stands, and what comes to it from now on.
    assert client.withdrawals.wait(paid.id, until="pending_approval").status == "cancelled"
    waits = pay(client, "0.1")
    house.approve(waits.intent_digest, "alice", "bob")
    house.settle()
    with pytest.raises(StillWaiting, match="is broadcast after"):
        client.withdrawals.wait(waits.id, until="pending_approval", timeout=0)
    house.mine(6)


def test_waiting_ends_when_nothing_more_can_come_and_when_the_time_is_over(
    house: Road, joined: tuple[Client, Between]
) -> None:
    client, between = joined
    paid = pay(client, "0.1")
    with pytest.raises(StillWaiting, match="is pending_approval after 1 seconds") as still:
        client.withdrawals.wait(paid.id, timeout=1)
    assert still.value.last == client.withdrawals.get(paid.id)
    with waiting(client, between, paid, "completed") as answer:
        house.approve(paid.intent_digest, "alice", verdict="reject")
        house.settle()
        assert answer.result(30).status == "rejected"


def test_reads_every_event_by_cursor_in_the_order_it_became_true(house: Road, client: Client) -> None:
    told = list(client.events())
    assert [event.cursor for event in told] == list(range(1, len(told) + 1))
    newest: dict[tuple[str, str], int] = {}
    for event in told:
        assert event.version == newest.get((event.kind, event.subject), 0) + 1
        newest[event.kind, event.subject] = event.version
    assert list(client.events(after=told[-1].cursor)) == []
    assert list(client.events(after=told[4].cursor)) == told[5:]
    of_bolt = list(client.events(client="bolt", types=["deposit.credited", "client"]))
    assert {event.type for event in of_bolt} == {"client.opened", "deposit.credited"}
    assert {event.client for event in of_bolt} == {"bolt"}


def test_hears_of_what_is_told_from_now_on(house: Road, client: Client) -> None:
    heard: list[Event] = []
    newest = _newest(client)

    def listen() -> None:
        for event in client.events(after=newest, types=["withdrawal"], wait_seconds=30):
            heard.append(event)
            if event.type == "withdrawal.cancelled":
                return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    paid = pay(client, "0.1")
    client.withdrawals.cancel(paid.id)
    thread.join(30)
    assert [event.type.partition(".")[2] for event in heard] == ["requested", "pending_approval", "cancelled"]
    assert {event.subject for event in heard} == {paid.id}
    assert heard[-1].data["status"] == "cancelled"


def test_who_is_bound_to_a_client_is_told_of_nobody_else(house: Road, http: TestClient) -> None:
    bound, _ = client_of(http, house.ceremony.root.hash, name="bolts")
    assert {event.client for event in bound.events()} == {"bolt"}
    assert list(bound.events(client="acme")) == []
    asks, _ = client_of(http, house.ceremony.root.hash, name="asks")
    with pytest.raises(NotAllowed):
        list(asks.events())


def test_says_what_a_payment_would_cost_and_keeps_nothing(house: Road, client: Client) -> None:
    client.withdrawals.request("bolt", "BTC", "0.1", to=address("somebody"), max_fee="0.0002")
    before = house.row_counts()
    quoted = client.withdrawals.quote("bolt", "BTC", "0.1", to=address("somebody"), max_fee="0.0002")
    assert (quoted["borne_by"], quoted["fee_asset"], quoted["within_max_fee"]) == ("client", "BTC", True)
    fee = int(quoted["fee"]["base_units"])
    assert 0 < fee <= 20_000
    judged = client.withdrawals.evaluate("bolt", "BTC", "0.1", to=address("somebody"), max_fee="0.0002")
    assert judged["status"] == "pending_approval"
    after = house.row_counts()
    assert after.pop("call_nonces") == before.pop("call_nonces") + 2
    assert after == before
    assert house.balance("bolt") == (BTC, 0)


def _made(house: Road, height: int) -> datetime:
    """When the block at ``height`` was made, as the node says."""
    header = house.node.rpc("getblockheader", house.node.rpc("getblockhash", height))
    return datetime.fromtimestamp(header["time"], UTC)


def _calls(between: Between) -> int:
    """How many calls were made; however often one wait had to ask again, it is one."""
    waits = [request for request in between.sent if "wait=" in str(request.url)]
    return len(between.sent) - len(waits) + bool(waits)


def _newest(client: Client) -> int:
    return int(client.request("GET", "/v1/events?after=newest").document["cursor"])


def _looks(between: Between, paid: Withdrawal) -> int:
    return sum(request.url.path == f"/v1/withdrawals/{paid.id}" for request in between.sent)
