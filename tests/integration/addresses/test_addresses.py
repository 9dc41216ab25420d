"""Stock, allocation and export of addresses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import coincurve
import pytest
from sqlalchemy import text

from custody.addresses import model, operations, queries
from custody.addresses.export import VaultExport, export, import_check
from custody.addresses.operations import ClientNotActive, NotAMember, StockEmpty, StockMoved
from custody.addresses.stocking import fill_stock
from custody.chains.addressing import DerivationMismatch
from custody.chains.bitcoin import second_address
from custody.chains.bitcoin.offline import descriptor as offline
from custody.clients import operations as clients
from custody.kernel.errors import InvalidInput
from demo.servers import Bitcoind
from tests.integration.deposits.world import SEAL_KEY, World
from tests.support.servers import FreshDatabase


@pytest.fixture
def world(database: FreshDatabase, bitcoind: Bitcoind) -> Iterator[World]:
    return World(database.db, bitcoind)


def topics(world: World) -> list[str]:
    with world.db.unit() as unit:
        return list(unit.session.execute(text("SELECT topic FROM outbox ORDER BY id")).scalars())


def test_hands_out_each_address_once_in_order(world: World) -> None:
    vault = world.open("acme", branch=1)
    given = [world.address("acme", vault) for _ in range(3)]
    assert [address.index for address in given] == [0, 1, 2]
    assert [address.address for address in given] == [
        world.keys.descriptor(1).derive(change=False, index=index).address for index in range(3)
    ]
    with world.db.unit() as unit:
        assert queries.of_client(unit.session, client="acme", seal_key=SEAL_KEY) == given


def test_hands_out_no_address_twice_to_many_at_once(world: World) -> None:
    vault = world.open("birch", branch=9, segregation="omnibus")
    world.open("cedar", branch=9, segregation="omnibus")
    world.stock(vault, 40, change=False)
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda number: world.address(("birch", "cedar")[number % 2], vault), range(40)))
    assert sorted(address.index for address in given) == list(range(40))
    with pytest.raises(StockEmpty):
        world.address("birch", vault)


def test_does_no_curve_work_when_handing_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = world.open("acme", branch=1)

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("curve work")

    monkeypatch.setattr(coincurve, "PublicKey", forbidden)
    monkeypatch.setattr(offline.BranchDescriptor, "derive", forbidden)
    monkeypatch.setattr(second_address, "_foreign_address", forbidden)
    assert world.address("acme", vault).index == 0


def test_asks_for_stock_below_the_low_mark(world: World) -> None:
    vault = world.open("acme", branch=1)
    by_opening = topics(world).count("addresses.restock")
    for low_mark, expected in ((3, 0), (4, 1)):
        with world.db.unit() as unit:
            operations.allocate(
                unit.session,
                vault=vault,
                client="acme",
                seal_key=SEAL_KEY,
                low_mark=low_mark,
                actor="test",
                now=unit.now,
            )
        assert topics(world).count("addresses.restock") - by_opening == expected
    with world.db.unit() as unit:
        assert queries.stock_level(unit.session, vault=vault, change=False) == 3


def test_fills_the_stock_to_its_target_and_no_further(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.stock(vault, 8)
    world.stock(vault, 8)
    with world.db.unit() as unit:
        assert queries.stock_level(unit.session, vault=vault, change=False) == 8
        assert queries.stock_level(unit.session, vault=vault, change=True) == 8
        plan = operations.plan_stock(unit.session, vault=vault, change=False, target=10, seal_key=SEAL_KEY)
    assert plan is not None
    assert plan.indexes == range(8, 10)
    derived = model.derive(plan)
    for expected in (2, 0):
        with world.db.unit() as unit:
            assert (
                operations.store(unit.session, plan=plan, derived=derived, seal_key=SEAL_KEY, now=unit.now) == expected
            )


def test_two_fillers_at_once_fill_no_more_than_the_target(world: World) -> None:
    vault = world.open("acme", branch=1)
    with ThreadPoolExecutor(3) as pool:
        added = list(
            pool.map(lambda _: fill_stock(world.db, world.reader, vault=vault, target=15, seal_key=SEAL_KEY), range(3))
        )
    assert sum(added) == 20
    with world.db.unit() as unit:
        for change in (False, True):
            assert queries.stock_level(unit.session, vault=vault, change=change) == 15
        assert sorted(script.index for script in queries.locators_of(unit.session, vault=vault).values()) == sorted(
            [*range(15), *range(15)]
        )


def test_stores_nothing_derived_from_another_keyset(world: World) -> None:
    vault = world.open("acme", branch=1)
    with world.db.unit() as unit:
        plan = operations.plan_stock(unit.session, vault=vault, change=False, target=9, seal_key=SEAL_KEY)
        assert plan is not None
        with pytest.raises(StockMoved):
            operations.store(
                unit.session, plan=replace(plan, keyset_hash="00" * 32), derived=(), seal_key=SEAL_KEY, now=unit.now
            )


def test_keeps_no_address_that_the_second_library_derives_otherwise(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = world.open("acme", branch=1)
    other = world.keys.descriptor(2).derive(change=False, index=0).address
    with world.db.unit() as unit:
        plan = operations.plan_stock(unit.session, vault=vault, change=False, target=6, seal_key=SEAL_KEY)
    assert plan is not None
    monkeypatch.setattr(second_address, "_foreign_address", lambda *_: other)
    with pytest.raises(DerivationMismatch):
        model.derive(plan)


def test_refuses_a_stranger_and_a_frozen_client(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.open("birch", branch=2)
    with pytest.raises(NotAMember):
        world.address("birch", vault)
    with world.db.unit() as unit:
        clients.freeze(unit.session, client="acme", reason="test", actor="test", now=unit.now)
    with pytest.raises(ClientNotActive):
        world.address("acme", vault)


def test_burned_stock_is_never_handed_out_and_still_watched(world: World) -> None:
    vault = world.open("acme", branch=1)
    with world.db.unit() as unit:
        assert operations.burn_stock(unit.session, actor="test", now=unit.now) == 10
    with pytest.raises(StockEmpty):
        world.address("acme", vault)
    world.stock(vault, 2, change=False)
    assert world.address("acme", vault).index == 5
    script = world.keys.descriptor(1).derive(change=False, index=3).script_pubkey
    with world.db.unit() as unit:
        (owned,) = queries.by_locators(unit.session, [script, b"\x00\x14" + bytes(20)]).values()
        assert (owned.vault, owned.client, owned.index, owned.state) == (vault, None, 3, "burned")
        assert queries.highest_issued(unit.session, vault=vault, change=False) == 5


def test_the_database_itself_keeps_an_address_with_its_client(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.open("birch", branch=2)
    world.address("acme", vault)
    with pytest.raises(Exception, match="handed out once"), world.db.unit() as unit:
        unit.session.execute(text("UPDATE addresses SET client_id = 'birch' WHERE client_id = 'acme'"))


def test_exports_what_a_cold_restore_needs(world: World) -> None:
    vault = world.open("acme", branch=1)
    world.open("birch", branch=2)
    for _ in range(3):
        world.address("acme", vault)
    world.change_address(vault)
    with world.db.unit() as unit:
        first, second = export(unit.session)
    assert (first.clients, first.highest_receive, first.highest_change) == (("Acme",), 2, 0)
    assert (second.highest_receive, second.highest_change) == (None, None)
    assert VaultExport.parse(first.to_json()) == first
    assert [run for _, run in first.ranges()] == [(0, 2), (0, 0)]
    assert second.ranges() == []


@pytest.mark.parametrize(
    ("field", "change"),
    [
        (
            "descriptor",
            lambda item: {"descriptor": item.descriptor[:-1] + ("q" if item.descriptor[-1] != "q" else "p")},
        ),
        ("descriptor", lambda item: {"descriptor": item.descriptor.split("#")[0]}),
        ("receive", lambda item: {"receive": item.change}),
        ("change", lambda item: {"change": item.receive}),
        ("descriptor", lambda item: {"descriptor": item.receive}),
    ],
)
def test_refuses_an_export_that_was_altered(world: World, field: str, change: object) -> None:
    world.open("acme", branch=1)
    with world.db.unit() as unit:
        (whole,) = export(unit.session)
    assert callable(change)
    with pytest.raises(InvalidInput, match=rf"export\.{field}"):
        import_check(replace(whole, **change(whole)))
