"""What people freeze does not move, whatever it waits for, and goes on where it was when people let it go."""

from __future__ import annotations

import pytest

from custody.signing.operations import VaultFrozen
from tests.support.governing import agree, file, freeze, govern, unfreeze
from tests.support.road import Road, btc
from tests.support.world import REGTEST


@pytest.fixture
def road(road: Road) -> Road:
    """Two clients with half a bitcoin each."""
    for client in ("acme", "birch"):
        road.open(client)
        road.deposit(client, btc("0.5"))
    return road


def test_one_clients_payment_waits_while_anothers_goes_and_then_goes_too(road: Road) -> None:
    asked = {client: road.ask(client, btc("0.02")) for client in ("acme", "birch")}
    file(road.db, freeze(road.db, "client", "acme"))
    road.settle()
    road.mine(2)
    waiting = road.see(asked["acme"])
    assert (waiting.state, road.state(asked["birch"])) == ("approved", "completed")
    assert waiting.waiting_for is not None and "because (alice)" in waiting.waiting_for
    assert road.attempts(waiting) == []
    road.check()
    let_go = file(road.db, unfreeze(road.db, "client", "acme"))
    agree(road.db, let_go.digest, "bob")
    road.settle()
    assert road.state(asked["acme"]) == "approved"
    agree(road.db, let_go.digest, "carol")
    road.settle()
    road.mine(2)
    assert road.state(asked["acme"]) == "completed"
    road.check()


@pytest.mark.parametrize("scope", ["client", "vault", "asset", "everything"])
def test_no_signature_is_asked_for_or_taken_while_it_is_frozen(road: Road, scope: str) -> None:
    asked = road.ask("acme", btc("0.02"))
    road.settle(cosigners=())
    (bundle,) = road.bundles_for("north")
    subject = {"client": "acme", "vault": road.vaults["acme"], "asset": REGTEST.asset.id}.get(scope, scope)
    file(road.db, freeze(road.db, scope, subject))
    assert road.bundles_for("south") == []
    answer = road.desks["north"].answer(bundle, confirm=lambda _: True, clock=road.now)
    with pytest.raises(VaultFrozen):
        road.hand_in("north", answer)
    govern(road.db, unfreeze(road.db, scope, subject), "bob", "carol")
    road.hand_in("north", answer)
    road.settle()
    road.mine(2)
    assert road.state(asked) == "completed"
    road.check()


def test_nothing_is_sent_while_everything_is_frozen_and_deposits_go_on(road: Road) -> None:
    asked = road.ask("acme", btc("0.02"))
    road.settle(cosigners=())
    road.cosign("north", "south")
    road.deliver(topics={"signing.complete"})
    assert road.state(asked) == "signed"
    place = road.address("birch").address
    file(road.db, freeze(road.db, "everything", "everything"))
    road.node.send(place, btc("0.1"))
    road.settle()
    road.mine(6)
    waiting = road.see(asked)
    assert waiting.state == "signed"
    assert waiting.waiting_for is not None and "everything is frozen" in waiting.waiting_for
    assert road.paid(asked.destination) == []
    assert road.balance("birch")[0] == btc("0.6")
    road.check()
    govern(road.db, unfreeze(road.db, "everything", "everything"), "bob", "carol")
    road.settle()
    road.mine(2)
    assert road.state(asked) == "completed"
    road.check()


def test_a_cancel_frees_the_money_of_what_is_frozen(road: Road) -> None:
    asked = road.ask("acme", btc("0.02"))
    file(road.db, freeze(road.db, "vault", road.vaults["acme"]))
    road.settle()
    assert road.state(asked) == "approved"
    road.cancel(asked.id)
    assert road.balance("acme") == (btc("0.5"), 0)
    road.check()
