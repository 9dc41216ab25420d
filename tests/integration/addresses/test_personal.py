"""Stock where an address is made for one client and no payment makes change, on a chain made up for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from sqlalchemy import text

from custody.addresses import operations, queries
from custody.addresses.export import VaultExport, export
from custody.addresses.model import DepositAddress
from custody.addresses.operations import NotAMember, StockEmpty
from custody.addresses.sealing import AddressTampered
from custody.addresses.stocking import fill_stock
from custody.chains import registry
from custody.chains.port import AddressesNotServed
from custody.clients import operations as clients
from custody.db import Database
from custody.kernel.errors import InvalidInput
from custody.reconciliation.invariants.vaults import descriptors_are_registered
from custody.restore import operations as restore
from custody.restore.replay import watch
from custody.vaults import operations as vaults
from tests.integration.addresses.fake_chain import CHAIN, FakeAddressing, FakeGround, FakeSource, fake_keyset
from tests.integration.deposits.world import as_superuser
from tests.integration.vaults.keysets import TestKeyset
from tests.support.servers import FreshDatabase

KEY = bytes(32)
VAULT = "kst-fake/0"


@dataclass
class House:
    """A database with a pool of two clients on the fake chain."""

    db: Database
    keys: TestKeyset
    ground: FakeGround = field(default_factory=FakeGround)

    def fill(self, target: int = 50, kept_for: str = "") -> int:
        return fill_stock(self.db, self.ground, vault=VAULT, target=target, seal_key=KEY, kept_for=kept_for)

    def hand_out(self, client: str) -> DepositAddress:
        with self.db.unit() as unit:
            return operations.allocate(
                unit.session, vault=VAULT, client=client, seal_key=KEY, low_mark=5, actor="test", now=unit.now
            )

    def level(self, client: str) -> int:
        with self.db.unit() as unit:
            return queries.stock_level(unit.session, vault=VAULT, change=False, kept_for=client)

    def asked(self) -> list[dict[str, str]]:
        with self.db.unit() as unit:
            return list(unit.session.execute(text("SELECT payload FROM outbox ORDER BY id")).scalars())


@pytest.fixture
def house(database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setitem(registry.ADDRESSINGS, CHAIN, lambda _: FakeAddressing())
    made = House(database.db, fake_keyset())
    with made.db.unit() as unit:
        vaults.register_keyset(
            unit.session, keyset=made.keys.keyset, consents=made.keys.consents, actor="test", now=unit.now
        )
        for client in ("acme", "birch"):
            clients.open_client(
                unit.session,
                client=client,
                name=client.title(),
                segregation="omnibus",
                opening="00" * 32,
                actor="test",
                now=unit.now,
            )
            vaults.open_vault(
                unit.session, keyset_id="kst-fake", branch=0, kind="pool", client=client, actor="test", now=unit.now
            )
    return made


def test_keeps_one_address_in_stock_for_each_member_and_none_for_change(house: House) -> None:
    assert house.fill() == 2
    assert house.fill() == 0
    assert (house.level("acme"), house.level("birch"), house.level("")) == (1, 1, 0)
    with house.db.unit() as unit:
        assert not unit.session.execute(text("SELECT count(*) FROM addresses WHERE change")).scalar_one()


def test_hands_each_client_only_what_was_made_for_it(house: House) -> None:
    house.fill()
    for client in ("birch", "acme"):
        given = house.hand_out(client)
        expected = FakeSource(house.keys.keyset).derive(client=client, change=False, index=0)
        assert (given.client, given.index, given.address, given.locator) == (
            client,
            0,
            expected.address,
            expected.locator,
        )
    with pytest.raises(StockEmpty) as empty:
        house.hand_out("acme")
    assert empty.value.facts == {"vault": VAULT, "kept_for": "acme"}
    with pytest.raises(NotAMember), house.db.unit() as unit:
        clients.open_client(
            unit.session,
            client="cedar",
            name="Cedar",
            segregation="omnibus",
            opening="00" * 32,
            actor="test",
            now=unit.now,
        )
        operations.allocate(
            unit.session, vault=VAULT, client="cedar", seal_key=KEY, low_mark=1, actor="test", now=unit.now
        )


def test_asks_for_that_clients_next_and_fills_no_others(house: House) -> None:
    house.fill()
    house.hand_out("acme")
    assert house.asked() == [{"vault": VAULT, "kept_for": "acme"}]
    house.hand_out("birch")
    assert house.fill(kept_for="acme") == 1
    assert (house.level("acme"), house.level("birch")) == (1, 0)
    assert house.hand_out("acme").index == 1


def test_no_address_kept_for_one_is_another_clients_whoever_edits_the_row(
    house: House, database: FreshDatabase
) -> None:
    house.fill()
    with pytest.raises(Exception, match="kept_for"), house.db.unit() as unit:
        unit.session.execute(text("UPDATE addresses SET client_id = 'birch' WHERE kept_for = 'acme'"))
    as_superuser(
        database,
        "DELETE FROM addresses WHERE kept_for = 'birch'",
        "UPDATE addresses SET kept_for = 'birch' WHERE kept_for = 'acme'",
    )
    with pytest.raises(AddressTampered, match="gives another address"):
        house.hand_out("birch")
    as_superuser(database, "UPDATE addresses SET kept_for = '', state = 'issued', client_id = 'birch'")
    with pytest.raises(AddressTampered, match="gives another address"), house.db.unit() as unit:
        queries.of_client(unit.session, client="birch", seal_key=KEY)


def test_refuses_stock_that_is_kept_for_nobody(house: House) -> None:
    with house.db.unit() as unit:
        plan = operations.plan_stock(unit.session, vault=VAULT, change=False, target=1, seal_key=KEY)
    assert plan is not None
    with pytest.raises(InvalidInput):
        plan.source.derive(client=plan.kept_for or None, change=False, index=0)


def test_derives_nothing_where_the_chain_does_not_serve_our_addresses(house: House) -> None:
    house.ground.serves = False
    with pytest.raises(AddressesNotServed) as refusal:
        house.fill()
    assert refusal.value.retryable
    house.ground.serves, house.ground.chain = True, "fake:2"
    with pytest.raises(AddressesNotServed, match="another chain"):
        house.fill()
    assert (house.level("acme"), house.level("birch")) == (0, 0)
    with pytest.raises(StockEmpty):
        house.hand_out("acme")
    house.ground.chain = CHAIN
    assert house.fill() == 2


def test_exports_each_clients_highest_index(house: House) -> None:
    house.fill()
    house.hand_out("acme")
    with house.db.unit() as unit:
        (found,) = export(unit.session)
    assert found.to_json() == {
        "vault": VAULT,
        "chain": CHAIN,
        "clients": ["Acme", "Birch"],
        "descriptor": "fake(kst-fake)#1",
        "highest_of": {"acme": 0},
    }
    assert VaultExport.parse(found.to_json()) == found
    assert found.ranges() == []


def test_addresses_of_every_client_are_what_the_keyset_gives(house: House, database: FreshDatabase) -> None:
    house.fill()
    house.hand_out("acme")
    said = "its keyset is not the trust root's"
    with house.db.unit() as unit:
        assert [line for line in descriptors_are_registered(unit.session) if said not in line] == []
    as_superuser(database, "UPDATE addresses SET locator = '\\x00'::bytea || locator")
    with house.db.unit() as unit:
        assert [line for line in descriptors_are_registered(unit.session) if said not in line] != []


def test_after_a_restore_every_client_is_watched_to_a_goal_of_its_own(house: House) -> None:
    house.fill()
    house.hand_out("acme")
    with house.db.unit() as unit:
        found = restore.declare(unit.session, reason="test", actor="test", now=unit.now)
    gap = restore.PERSONAL_GAP
    assert [(goal.kept_for, goal.change, goal.last) for goal in found.goals] == [
        ("acme", False, gap),
        ("birch", False, gap),
    ]
    for goal in found.goals:
        watch(house.db, goal, seal_key=KEY)
    with house.db.unit() as unit:
        for client in ("acme", "birch"):
            assert queries.highest_issued(unit.session, vault=VAULT, change=False, kept_for=client) == gap
