"""A cosigner leaves: new addresses come from the later keyset, the older is watched for ever, its money is swept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from custody.evidence.intents import VaultName
from custody.kernel.errors import InvalidInput
from demo.servers import Bitcoind
from tests.support.road import Road, btc
from tests.support.rotating import LATER, RotatingWorld, open_later, register_later, sweep
from tests.support.servers import FreshDatabase


@pytest.fixture
def road(database: FreshDatabase, chain: Bitcoind, tmp_path: Path) -> Iterator[Road]:
    """A house with both keysets, and desks for everybody."""
    now = datetime.now(UTC)
    world = RotatingWorld(now=now, expires_at=now + timedelta(days=365))
    built = Road.build(database, chain, tmp_path, ceremony=world)
    register_later(built, world)
    built.seat("west", tmp_path / "west.sqlite")
    yield cast("Road", built)
    built.close()


def test_money_follows_to_the_later_keyset(road: Road) -> None:
    road.open("acme")
    first = road.address("acme")
    road.deposit("acme", btc("0.5"))
    older = open_later(road, "acme", branch=60_001)
    assert road.address("acme").vault == f"{LATER}/60001", "new addresses come from the later keyset"

    moved = sweep(road, "acme", btc("0.49"), out_of=older)
    road.settle()
    assert road.state(moved) == "pending_approval"
    road.approve(moved.digest, "alice")
    road.settle()
    assert road.state(moved) == "broadcast"
    road.mine(6)
    done = road.see(moved)
    assert (done.state, done.kind) == ("completed", "sweep")
    assert done.fee_units is not None
    assert road.balance("acme") == (btc("0.5") - done.fee_units, 0), "nobody was paid but the network"
    road.check()

    road.node.send(first.address, btc("0.1"))
    road.mine(6)
    assert road.balance("acme") == (btc("0.6") - done.fee_units, 0), "an older address is watched for ever"
    asked = road.ask("acme", btc("0.04"))
    assert asked.vault == f"{LATER}/60001"
    road.settle()
    road.mine(6)
    assert road.see(asked).state == "completed", "the later keyset's cosigners pay"
    road.check()


def test_pays_out_of_the_vault_that_can(road: Road) -> None:
    road.open("acme")
    road.deposit("acme", btc("0.5"))
    older = open_later(road, "acme", branch=60_002)
    asked = road.ask("acme", btc("0.04"))
    assert asked.vault == older, "what was not swept yet is still the client's to withdraw"
    road.settle()
    road.mine(6)
    assert road.see(asked).state == "completed"
    road.check()


def test_refuses_a_sweep_that_cosigners_would_refuse(road: Road) -> None:
    road.open("acme")
    road.open("bolt")
    road.deposit("acme", btc("0.5"))
    older = open_later(road, "acme", branch=60_003)
    strange = road.address("bolt").address
    before = road.row_counts()
    for field, said, changes in (
        ("request.destination", older, {"destination": strange}),
        ("request.out_of", road.vaults["bolt"], {}),
        ("request.to", older, {"to": VaultName.parse(older, field="to")}),
        ("request.destination", older, {"index": 0}),
    ):
        with pytest.raises(InvalidInput) as refused:
            sweep(road, "acme", btc("0.1"), out_of=said, **changes)
        assert refused.value.field == field
    changed = {name for name, count in road.row_counts().items() if count != before[name]}
    assert changed <= {"audit_events", "outbox"}, "only addresses were handed out"
