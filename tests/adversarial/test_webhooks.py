"""P-112 and P-113 on a house: where deliveries may go, and what a receiver takes for one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from custody.sdk.webhooks import Deliveries, KnownAlready, NotTheHouses
from custody.webhooks import operations, queries
from custody.webhooks.places import Places, read_networks
from custody.webhooks.pushing import send
from custody.webhooks.signing import Sealer
from custody.webhooks.wire import Wire
from tests.integration.webhooks.receiver import Receiver
from tests.support.oracle import plays
from tests.support.servers import FreshDatabase
from tests.support.world import House

LOOPBACK = read_networks("127.0.0.0/8")


@pytest.fixture
def house(database: FreshDatabase) -> Iterator[House]:
    found = House.found(database)
    yield found
    found.close()


def add(house: House, url: str) -> operations.Made:
    with house.db.unit() as unit:
        return operations.add(
            unit.session,
            url=url,
            client=None,
            types=["client"],
            payload="full",
            label="books",
            sealer=Sealer(house.runtime.seal_key),
            actor="alice",
            now=unit.now,
        )


def push(house: House, wire: Wire) -> list[str | None]:
    """Send what is due; what was wrong with each."""
    with house.db.unit() as unit:
        operations.take_over(unit.session, now=unit.now)
        parcels = operations.claim(
            unit.session,
            sealer=Sealer(house.runtime.seal_key),
            lease=timedelta(minutes=1),
            room=10,
            now=unit.now,
        )
    outcomes = [send(wire, parcel) for parcel in parcels]
    with house.db.unit() as unit:
        operations.settle(unit.session, outcomes=outcomes, now=unit.now)
    return [outcome.problem for outcome in outcomes]


@plays("P-112")
@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "100.64.0.1"]
)
def test_a_name_that_moves_inside_after_it_was_registered_gets_nothing(house: House, address: str) -> None:
    answers: list[Sequence[str]] = [["93.184.216.34"], [address]]
    places = Places(look_up=lambda _host, _port: answers.pop(0))
    with Receiver() as inside, Wire(places, timeout_seconds=2) as wire:
        url = f"https://rebinding.example:{inside.server.server_port}/"
        places.read(url)
        made = add(house, url)
        house.open_client("acme", branch=1)
        (problem,) = push(house, wire)
        assert problem is not None and "not on the internet" in problem
        assert inside.came == []
    with house.db.unit() as unit:
        (delivery,) = queries.deliveries(unit.session, endpoint=made.endpoint.id, limit=5)
        (attempt,) = queries.attempts(unit.session, endpoint=made.endpoint.id, event=delivery.event)
    assert delivery.state == "waiting" and attempt.status is None
    house.expect_whole()


@plays("P-112")
def test_a_redirect_into_the_house_is_not_followed(house: House) -> None:
    with Receiver() as outside, Receiver() as inside, Wire(Places(LOOPBACK)) as wire:
        outside.answer = lambda _came: (307, {"Location": inside.url}, b"")
        add(house, outside.url)
        house.open_client("acme", branch=1)
        assert push(house, wire) == ["answered 307: a redirect is not followed"]
        assert len(outside.came) == 1 and inside.came == []
    house.expect_whole()


@plays("P-113")
def test_a_receiver_takes_what_is_signed_new_and_of_now_and_nothing_else(house: House) -> None:
    with Receiver() as receiver, Wire(Places(LOOPBACK)) as wire:
        made = add(house, receiver.url)
        house.open_client("acme", branch=1)
        assert push(house, wire) == [None]
        (came,) = receiver.came
    theirs, now = Deliveries(made.secret.text), time.time()
    with pytest.raises(NotTheHouses):
        theirs.take(came.headers | {"webhook-signature": "v1,AAAA"}, came.body, now=now)
    with pytest.raises(NotTheHouses):
        theirs.take(came.headers, came.body, now=now + 360)
    assert theirs.take(came.headers, came.body, now=now).type == "client.opened"
    with pytest.raises(KnownAlready):
        theirs.take(came.headers, came.body, now=now)
    house.expect_whole()
