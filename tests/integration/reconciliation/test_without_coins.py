"""A chain whose places hold balances and no coins, several assets on it: movements, deposits, comparison, reorgs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from custody.chains.addressing import Series
from custody.chains.port import (
    Block,
    BlockNotFound,
    ChainTransaction,
    Credit,
    Debit,
    Doubt,
    Holding,
    Holdings,
    NodeStatus,
    Settled,
)
from custody.deposits import operations as deposits
from custody.deposits.model import AssetRules, DepositRules, NoDepositRules, Tier
from custody.kernel.canonical import digest
from custody.ledger import queries as ledger
from custody.movements import queries
from custody.movements.scan import BlockIncomplete, scan
from custody.reconciliation.effect import reconcile
from custody.reconciliation.model import RunResult
from demo.servers import Bitcoind
from tests.integration.deposits.world import ASSET, CHAIN, World
from tests.support.servers import FreshDatabase

TOKEN, STRANGE = f"{CHAIN}/token:1", f"{CHAIN}/token:2"
RULES = DepositRules(
    {
        ASSET: AssetRules((Tier(None, 1),), dust_units=1, coinbase_maturity=1),
        TOKEN: AssetRules((Tier(None, 2),), dust_units=10, coinbase_maturity=1),
    }
)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


class Paper:
    """A chain written down here: balances are what its blocks add up to, and what ``lies`` adds."""

    chain = CHAIN
    has_coins = False

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.lies: dict[tuple[bytes, str], int] = {}
        self.keeps: dict[tuple[bytes, str], int] = {}
        """What less than told arrives at a place of an asset, every time."""
        self.shows_all = True
        self.add()

    def add(self, *transactions: ChainTransaction, salt: str = "") -> None:
        height, parent = len(self.blocks), self.blocks[-1].hash if self.blocks else None
        name = digest("paper", f"{height} {parent} {salt} {transactions}")
        self.blocks.append(Block(height, name, parent, MOMENT, transactions))

    def status(self) -> NodeStatus:
        tip = self.blocks[-1]
        return NodeStatus(self.chain, tip.height, tip.hash, tip.height, synced=True, genesis_ok=True)

    def require_ready(self) -> NodeStatus:
        return self.status()

    def check_serves_addresses(self) -> None:
        pass

    def block_hash(self, height: int) -> str | None:
        return self.blocks[height].hash if height < len(self.blocks) else None

    def block(self, block_hash: str) -> Block:
        for block in self.blocks:
            if block.hash == block_hash:
                return block
        raise BlockNotFound("no such block")

    def settle(self, block: Block, locators: Collection[bytes]) -> Settled:
        transactions, doubts = [], []
        for transaction in block.transactions:
            arrived = []
            for credit in transaction.credits:
                fee = self.keeps.get((credit.locator, credit.asset), 0) if credit.locator in locators else 0
                arrived.append(replace(credit, units=credit.units - fee))
                if fee:
                    doubts.append(Doubt(credit.asset, credit.locator, credit.units, credit.units - fee))
            transactions.append(replace(transaction, credits=tuple(arrived)))
        return Settled(replace(block, transactions=tuple(transactions), is_complete=self.shows_all), tuple(doubts))

    def mempool(self, *, limit: int, known: Set[str]) -> list[ChainTransaction]:
        return []

    def in_mempool(self, txids: Iterable[str]) -> set[str]:
        return set()

    def holdings(self, locators: Iterable[bytes], *, assets: Collection[str]) -> Holdings:
        wanted = {(locator, asset) for locator in locators for asset in assets}
        held = {key: units for key, units in self.lies.items() if key in wanted}
        for transaction in (item for block in self.blocks for item in block.transactions):
            for credit in transaction.credits:
                held[credit.locator, credit.asset] = held.get((credit.locator, credit.asset), 0) + credit.units
            for debit in transaction.debits:
                assert debit.locator is not None
                assert debit.asset is not None
                assert debit.units is not None
                held[debit.locator, debit.asset] = held.get((debit.locator, debit.asset), 0) - debit.units
        tip = self.blocks[-1]
        found = [
            Holding(locator, asset, units, None, None, None, coinbase=False)
            for (locator, asset), units in sorted(held.items())
            if units and (locator, asset) in wanted
        ]
        return Holdings(tip.height, tip.hash, tuple(found))

    def holdings_of(self, series: Sequence[Series], *, assets: Collection[str]) -> Holdings:
        return self.holdings([locator for run in series for locator in run.locators()], assets=assets)


@pytest.fixture
def world(database: FreshDatabase, chain: Bitcoind) -> World:
    return World(database.db, chain, rules=RULES)


@pytest.fixture
def paper() -> Paper:
    return Paper()


def read(world: World, paper: Paper) -> None:
    scan(paper, world.db, chain=CHAIN, assets=RULES.assets, start_height=0)
    world.advance()


def compare(world: World, paper: Paper) -> RunResult:
    return reconcile(paper, world.db, chain=CHAIN, assets=RULES.assets, start_height=0)


def mixed(place: bytes, name: str = "aa" * 32, *, native: int = 500, token: int = 70) -> ChainTransaction:
    """One transaction that brings two assets that count and one that does not, all to the same place."""
    brought = (Credit(0, place, ASSET, native), Credit(1, place, TOKEN, token), Credit(2, place, STRANGE, 9))
    return ChainTransaction(name, False, (), brought)


def payment(place: bytes, units: int) -> ChainTransaction:
    """What a signed spend took, carried out by somebody's transaction."""
    return ChainTransaction("bb" * 32, False, (Debit("bb" * 32, 0, place, TOKEN, units, "the signed spend"),), ())


def rows(world: World, statement: str) -> list[tuple[object, ...]]:
    with world.db.unit() as unit:
        return [tuple(row) for row in unit.session.execute(text(statement))]


def available(world: World, client: str) -> dict[str, int]:
    with world.db.unit() as unit:
        return {item.asset: item.available for item in ledger.balances(unit.session, client=client)}


def test_movements_of_assets_with_rules_are_recorded_and_no_coin_is(world: World, paper: Paper) -> None:
    place = world.address("acme", world.open("acme", branch=1)).locator
    paper.add(mixed(place))
    read(world, paper)
    assert rows(world, "SELECT asset, position, units, direction FROM movements ORDER BY id") == [
        (ASSET, 0, 500, "in"),
        (TOKEN, 1, 70, "in"),
    ]
    assert rows(world, "SELECT * FROM coins") == []


def test_what_arrived_is_recorded_and_not_what_was_told(world: World, paper: Paper) -> None:
    place = world.address("acme", world.open("acme", branch=1)).locator
    paper.keeps[place, TOKEN] = 7
    paper.add(mixed(place))
    read(world, paper)
    read(world, paper)
    assert rows(world, "SELECT asset, units FROM movements ORDER BY id") == [(ASSET, 500), (TOKEN, 63)]
    said = rows(world, "SELECT subject, why FROM alarms WHERE kind = 'movement-in-doubt'")
    assert said == [
        (f"{CHAIN} {TOKEN}", f"70 base units of {TOKEN} were told and 63 arrived; what arrived is credited")
    ]


def test_nothing_is_recorded_of_a_block_that_is_shown_in_part(world: World, paper: Paper) -> None:
    place = world.address("acme", world.open("acme", branch=1)).locator
    read(world, paper)
    paper.shows_all = False
    paper.add(mixed(place))
    with pytest.raises(BlockIncomplete):
        read(world, paper)
    assert rows(world, "SELECT * FROM movements") == []
    paper.shows_all = True
    read(world, paper)
    assert len(rows(world, "SELECT * FROM movements")) == 2


def test_each_asset_waits_by_its_own_rules_and_becomes_its_own_balance(world: World, paper: Paper) -> None:
    place = world.address("acme", world.open("acme", branch=1)).locator
    paper.add(mixed(place))
    read(world, paper)
    assert {(item.asset, item.state.value) for item in world.deposits()} == {(ASSET, "credited"), (TOKEN, "confirming")}
    paper.add(mixed(place, "cc" * 32, native=1, token=9))
    paper.add()
    read(world, paper)
    assert available(world, "acme") == {ASSET: 501, TOKEN: 70}
    assert [(item.asset, item.units) for item in world.deposits() if item.state == "dust"] == [(TOKEN, 9)]


def test_a_deposit_waits_where_its_assets_rules_were_taken_away(world: World, paper: Paper) -> None:
    place = world.address("acme", world.open("acme", branch=1)).locator
    paper.add(mixed(place))
    scan(paper, world.db, chain=CHAIN, assets=RULES.assets, start_height=0)
    fewer = DepositRules({ASSET: RULES.of(ASSET)})
    with pytest.raises(NoDepositRules), world.db.unit() as unit:
        deposits.advance(unit.session, chain=CHAIN, config=fewer, actor="test", now=unit.now)
    paper.add()
    read(world, paper)
    assert available(world, "acme") == {ASSET: 500, TOKEN: 70}


def test_a_spend_is_found_by_what_was_signed_and_undone_by_a_reorg(world: World, paper: Paper) -> None:
    vault = world.open("acme", branch=1)
    place = world.address("acme", vault).locator
    paper.add(mixed(place))
    paper.add(payment(place, 30))
    read(world, paper)
    with world.db.unit() as unit:
        found = queries.confirmation(unit.session, chain=CHAIN, txid="the signed spend")
        assert found is not None
        assert found.height == 2
        assert queries.balance_at(unit.session, vault=vault, asset=TOKEN, height=2) == 40
        assert queries.balance_at(unit.session, vault=vault, asset=ASSET, height=2) == 500
    paper.blocks.pop()
    paper.add(salt="another")
    paper.add()
    read(world, paper)
    with world.db.unit() as unit:
        assert queries.confirmation(unit.session, chain=CHAIN, txid="the signed spend") is None
        assert queries.balance_at(unit.session, vault=vault, asset=TOKEN, height=3) == 70


def test_one_run_compares_every_asset_at_one_block(world: World, paper: Paper) -> None:
    vault = world.open("acme", branch=1)
    place = world.address("acme", vault).locator
    paper.add(mixed(place))
    read(world, paper)
    run = compare(world, paper)
    assert (run.is_balanced, run.height) == (True, 1)
    assert [(item.asset, item.vaults[0].chain_units) for item in run.snapshots] == [(ASSET, 500), (TOKEN, 70)]
    assert [(kind.kind, kind.units) for kind in run.snapshots[1].vaults[0].in_flight] == [("deposit confirming", 70)]
    told = run.to_json()
    assert (told["asset"], [line["asset"] for line in told["vaults"]]) == (ASSET, [ASSET, TOKEN])
    paper.add()
    read(world, paper)
    assert compare(world, paper).is_balanced
    stored = "SELECT count(*), max(jsonb_array_length(totals -> 'assets')) FROM reconciliation_runs"
    assert rows(world, stored) == [(2, 2)]


def test_a_balance_that_no_movement_explains_is_a_break_of_its_asset_and_stops_the_vault(
    world: World, paper: Paper
) -> None:
    acme, birch = world.open("acme", branch=1), world.open("birch", branch=2)
    place, other = world.address("acme", acme).locator, world.address("birch", birch).locator
    paper.add(mixed(place), mixed(other, "dd" * 32))
    paper.add()
    read(world, paper)
    paper.lies = {(place, TOKEN): -3, (other, STRANGE): 1_000}
    run = compare(world, paper)
    assert {(item.vault, item.asset) for item in run.breaks} == {(acme, TOKEN)}
    first = run.breaks[0]
    assert (first.check, first.expected, first.found) == ("balances-are-the-nodes", 70, 67)
    assert first.detail == f"{place.hex()} has another amount"
    assert rows(world, "SELECT id FROM vaults WHERE frozen_at IS NOT NULL") == [(acme,)]
    assert rows(world, "SELECT id FROM vaults WHERE reconciled_height = 2") == [(birch,)]
