"""A ranged run where addresses are made for one client each: every client's places are derived anew."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import pytest

from custody.addresses import operations as addresses
from custody.addresses.stocking import fill_stock
from custody.chains import registry
from custody.chains.addressing import Series
from custody.chains.ethereum.adapter import EthereumAdapter
from custody.chains.port import ChainReader, ChainTransaction, Credit, Holdings
from custody.db import Database
from custody.reconciliation.effect import PERSONAL_LOOKAHEAD, reconcile, reconcile_ranged
from custody.reconciliation.model import RunResult
from demo.servers import Anvil
from tests.chains.ethereum.conftest import ANVIL, adapter_for
from tests.integration.addresses.fake_chain import CHAIN, FakeAddressing, fake_keyset
from tests.integration.deposits.world import as_superuser
from tests.integration.reconciliation.test_without_coins import Paper
from tests.integration.vaults.safe_keysets import make_safe_keyset, open_clients
from tests.support.servers import FreshDatabase

KEY = bytes(32)
PLACES = {"acme": ("segregated", 1), "birch": ("omnibus", 0), "cedar": ("omnibus", 0)}


@dataclass(frozen=True)
class FeesApart:
    """What the books ask of a chain's spends here."""

    fees_from_vault: bool = False


class FakePaper(Paper):
    """The fake chain, written down; remembers what it was asked to derive."""

    chain = CHAIN

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Series] = []

    def holdings_of(self, series: Sequence[Series], *, assets: Collection[str]) -> Holdings:
        self.asked = list(series)
        return super().holdings_of(series, assets=assets)


@dataclass
class House:
    """Three clients in two vaults of one keyset; each has an address, and the next in stock."""

    db: Database
    reader: ChainReader
    keyset: str
    native: str

    def issue(self) -> dict[str, bytes]:
        places = {}
        for _ in range(2):
            for vault in (f"{self.keyset}/0", f"{self.keyset}/1"):
                fill_stock(self.db, self.reader, vault=vault, target=5, seal_key=KEY)
            for client, (_, branch) in PLACES.items():
                if client not in places:
                    places[client] = self._hand_out(client, f"{self.keyset}/{branch}")
        return places

    def run(self, *, ranged: bool) -> RunResult:
        act = reconcile_ranged if ranged else reconcile
        return act(self.reader, self.db, chain=self.reader.chain, assets=[self.native], start_height=0)

    def _hand_out(self, client: str, vault: str) -> bytes:
        with self.db.unit() as unit:
            return addresses.allocate(
                unit.session, vault=vault, client=client, seal_key=KEY, low_mark=1, actor="test", now=unit.now
            ).locator


def expect_found_again(house: House, database: FreshDatabase, pay: Callable[[bytes, int], None]) -> None:
    """What lies at a client's address is compared, also when our table has forgotten the address."""
    places = house.issue()
    pay(places["acme"], 500)
    pay(places["cedar"], 70)
    for ranged in (False, True):
        run = house.run(ranged=ranged)
        assert run.is_balanced, run.to_json()
        held = {item.vault: item.chain_units for item in run.snapshots[0].vaults}
        assert held == {f"{house.keyset}/1": 500, f"{house.keyset}/0": 70}
    as_superuser(
        database,
        "DELETE FROM movements WHERE address_id IN (SELECT id FROM addresses WHERE kept_for = 'cedar')",
        "DELETE FROM addresses WHERE kept_for = 'cedar'",
    )
    assert house.run(ranged=False).is_balanced
    run = house.run(ranged=True)
    assert {item.vault for item in run.breaks} == {f"{house.keyset}/0"}


def test_on_a_chain_written_down(database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.ADDRESSINGS, CHAIN, lambda _: FakeAddressing())
    monkeypatch.setitem(registry.SPENDINGS, CHAIN, lambda _: FeesApart())
    keys, paper = fake_keyset(), FakePaper()
    open_clients(database.db, keys.keyset, keys.consents, PLACES)
    native = FakeAddressing().native.id
    paid: list[ChainTransaction] = []

    def pay(place: bytes, units: int) -> None:
        paid.append(ChainTransaction(f"{len(paid):064x}", False, (), (Credit(0, place, native, units),)))
        paper.add(paid[-1])

    house = House(database.db, paper, keys.keyset.id, native)
    expect_found_again(house, database, pay)
    assert sorted((run.client or "", run.change, run.last) for run in paper.asked) == [
        ("acme", False, 1 + PERSONAL_LOOKAHEAD),
        ("birch", False, 1 + PERSONAL_LOOKAHEAD),
        ("cedar", False, PERSONAL_LOOKAHEAD - 1),
    ]


def test_on_a_real_node(anvil: Anvil, database: FreshDatabase) -> None:
    keys = make_safe_keyset()
    open_clients(database.db, keys.keyset, keys.consents, PLACES)
    reader: EthereumAdapter = adapter_for(anvil)

    def pay(place: bytes, units: int) -> None:
        anvil.transact(f"0x{place.hex()}", units)

    expect_found_again(House(database.db, reader, keys.keyset.id, ANVIL.asset.id), database, pay)
