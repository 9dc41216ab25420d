"""A chain whose places hold balances and no coins, several assets on it: movements, deposits, comparison, reorgs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from custody.chains.addressing import Rules, Series
from custody.chains.port import (
    AssetSilent,
    Block,
    BlockNotFound,
    ChainTransaction,
    Credit,
    Debit,
    Doubt,
    Holding,
    Holdings,
    NodeStatus,
    NoFinality,
    Settled,
)
from custody.chains.spending import Finality
from custody.deposits import operations as deposits
from custody.deposits.model import AssetRules, DepositRules, NoDepositRules, Tier
from custody.kernel.canonical import digest
from custody.ledger import queries as ledger
from custody.movements import queries
from custody.movements.operations import rescan_block
from custody.movements.scan import scan
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
    rules_can_change = False

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.lies: dict[tuple[bytes, str], int] = {}
        self.keeps: dict[tuple[bytes, str], int] = {}
        """What less than told arrives at a place of an asset, every time."""
        self.shows_all = True
        self.hides: dict[tuple[bytes, str], int] = {}
        """What blocks do not tell of places that hold it all the same."""
        self.silent: set[str] = set()
        self.final: int | None = None
        self.meanwhile: Callable[[], object] | None = None
        """What somebody else does while balances are asked for."""
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

    def finalized_height(self) -> int | None:
        return self.final

    def unseen(
        self, recorded: Mapping[tuple[bytes, str], int], *, since: str, until: str
    ) -> tuple[ChainTransaction, ...]:
        assert until in {block.hash for block in self.blocks}
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        asset = {asset for _, asset in recorded}
        if asset & self.silent:
            raise AssetSilent("no answer", asset=min(asset))
        held = {(item.locator, item.asset): item.units for item in self.told({place for place, _ in recorded}, asset)}
        found = []
        for (locator, asset_), units in sorted(recorded.items()):
            rest = held.get((locator, asset_), 0) - units
            name = digest("paper", f"{locator.hex()} {asset_} {since} {until}")
            if rest > 0:
                found.append(ChainTransaction(name, False, (), (Credit(0, locator, asset_, rest),)))
            elif rest:
                found.append(ChainTransaction(name, False, (Debit(name, 0, locator, asset_, -rest, name),), ()))
        return tuple(found)

    def changed_rules(self, places: Sequence[Rules], *, block_hash: str) -> dict[bytes, list[str]]:
        return {}

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
        tip = self.blocks[-1]
        silent = tuple(sorted(self.silent & set(assets)))
        return Holdings(tip.height, tip.hash, self.told(locators, set(assets) - self.silent), silent)

    def told(self, locators: Iterable[bytes], assets: Collection[str]) -> tuple[Holding, ...]:
        wanted = {(locator, asset) for locator in locators for asset in assets}
        held = {key: units for key, units in self.lies.items() if key in wanted}
        for key, units in self.hides.items():
            held[key] = held.get(key, 0) + units
        for transaction in (item for block in self.blocks for item in block.transactions):
            for credit in transaction.credits:
                held[credit.locator, credit.asset] = held.get((credit.locator, credit.asset), 0) + credit.units
            for debit in transaction.debits:
                assert debit.locator is not None
                assert debit.asset is not None
                assert debit.units is not None
                held[debit.locator, debit.asset] = held.get((debit.locator, debit.asset), 0) - debit.units
        return tuple(
            Holding(locator, asset, units, None, None, None, coinbase=False)
            for (locator, asset), units in sorted(held.items())
            if units and (locator, asset) in wanted
        )

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
    why = f"70 base units of {TOKEN} were told and 63 arrived at {place.hex()}"
    said = rows(world, "SELECT kind, subject, why FROM alarms ORDER BY id")
    assert said == [("movement-in-doubt", f"{CHAIN} {TOKEN}", why), ("asset-suspended", TOKEN, why)]
    assert rows(world, "SELECT asset, reason FROM suspended_assets") == [(TOKEN, why)]


def test_what_is_of_a_suspended_asset_is_nobodys_and_the_others_go_on(world: World, paper: Paper) -> None:
    place = world.address("acme", world.open("acme", branch=1)).locator
    paper.keeps[place, TOKEN] = 7
    paper.add(mixed(place))
    read(world, paper)
    paper.keeps.clear()
    paper.add(mixed(place, "cc" * 32))
    paper.add()
    read(world, paper)
    assert available(world, "acme") == {ASSET: 1000}
    booked = [(item.units, item.state.value, item.reason) for item in world.deposits() if item.asset == TOKEN]
    assert booked == [(63, "quarantined", "asset-in-doubt"), (70, "quarantined", "asset-in-doubt")]


@pytest.mark.parametrize(("kept", "credited"), [(7, 63), (70, 0), (-5, 0)])
def test_an_asset_known_to_keep_a_part_may_keep_a_part_and_no_more(
    world: World, paper: Paper, kept: int, credited: int
) -> None:
    keeps = replace(RULES.of(TOKEN), fee_on_transfer=True)
    world.rules = DepositRules({**RULES.by_asset, TOKEN: keeps})
    place = world.address("acme", world.open("acme", branch=1)).locator
    paper.keeps[place, TOKEN] = kept
    paper.add(mixed(place))
    paper.add()
    read(world, paper)
    assert available(world, "acme").get(TOKEN, 0) == credited
    assert bool(rows(world, "SELECT asset FROM suspended_assets")) == (not credited)


def test_of_a_block_shown_in_part_balances_tell_the_rest_before_anything_is_booked(world: World, paper: Paper) -> None:
    place = world.address("acme", world.open("acme", branch=1)).locator
    read(world, paper)
    paper.shows_all = False
    paper.add(mixed(place))
    paper.hides[place, ASSET] = 11
    read(world, paper)
    assert available(world, "acme") == {}
    paper.shows_all = True
    for _ in range(8):
        paper.add()
    read(world, paper)
    assert available(world, "acme") == {}
    paper.add()
    read(world, paper)
    assert available(world, "acme") == {ASSET: 511, TOKEN: 70}
    assert rows(world, "SELECT units, height, since IS NOT NULL FROM movements WHERE since IS NOT NULL") == [
        (11, 10, True)
    ]
    assert rows(world, "SELECT height FROM comparisons") == [(10,)]
    assert compare(world, paper).is_balanced


def test_a_reconciliation_has_balances_compared_first(world: World, paper: Paper) -> None:
    place = world.address("acme", world.open("acme", branch=1)).locator
    paper.shows_all = False
    paper.add(mixed(place))
    paper.hides[place, ASSET] = 11
    read(world, paper)
    run = compare(world, paper)
    assert run.is_balanced, run.to_json()
    assert [item.units for item in run.snapshots[0].vaults[0].in_flight] == [500, 11]


def test_a_comparison_is_undone_with_its_block(world: World, paper: Paper) -> None:
    place = world.address("acme", world.open("acme", branch=1)).locator
    paper.shows_all = False
    paper.add()
    paper.hides[place, ASSET] = 11
    compare(world, paper)
    world.advance()
    assert available(world, "acme") == {ASSET: 11}
    paper.blocks.pop()
    paper.add(salt="another")
    paper.add()
    read(world, paper)
    assert rows(world, "SELECT height FROM comparisons") == []
    assert available(world, "acme").get(ASSET, 0) == 0
    assert compare(world, paper).is_balanced
    world.advance()
    assert available(world, "acme") == {ASSET: 11}
    assert compare(world, paper).is_balanced


def test_what_a_comparison_counted_is_not_counted_again(world: World, paper: Paper) -> None:
    """An address is stored after the block that pays it, and compared before that block is matched again."""
    vault = world.open("acme", branch=1)
    place = world.address("acme", vault).locator
    stored = rows(world, f"SELECT vault_id FROM addresses WHERE locator = decode('{place.hex()}', 'hex')")
    assert stored == [(vault,)]
    paper.shows_all = False
    paper.add(mixed(place))
    hidden = paper.blocks[-1]
    paper.blocks[-1] = replace(hidden, transactions=())
    paper.hides[place, ASSET] = 500
    paper.hides[place, TOKEN] = 70
    compare(world, paper)
    paper.blocks[-1] = hidden
    paper.hides.clear()
    paper.shows_all = True
    paper.add()
    read(world, paper)
    assert available(world, "acme") == {ASSET: 500, TOKEN: 70}
    assert compare(world, paper).is_balanced


@pytest.mark.parametrize("blocks", [0, 1])
def test_two_that_compare_at_once_record_it_once(world: World, paper: Paper, blocks: int) -> None:
    place = world.address("acme", world.open("acme", branch=1)).locator
    paper.shows_all = False
    paper.add()
    paper.hides[place, ASSET] = 11

    def another() -> None:
        if blocks:
            paper.add()
        compare(world, paper)

    paper.meanwhile = another
    assert compare(world, paper).is_balanced
    world.advance()
    assert available(world, "acme") == {ASSET: 11}
    assert rows(world, "SELECT height FROM comparisons") == [(1 + blocks,)]


def test_what_is_recorded_while_balances_are_asked_for_is_not_recorded_again(world: World, paper: Paper) -> None:
    place = world.address("acme", world.open("acme", branch=1)).locator
    paper.shows_all = False
    paper.add(mixed(place))
    told = paper.blocks[-1]
    paper.blocks[-1] = replace(told, transactions=())
    paper.hides |= {(place, ASSET): 500, (place, TOKEN): 70}
    read(world, paper)

    def match_again() -> None:
        with world.db.unit() as unit:
            rescan_block(unit.session, chain=CHAIN, block=told, assets=RULES.assets, has_coins=False, now=unit.now)

    paper.meanwhile = match_again
    run = compare(world, paper)
    assert run.is_balanced, run.to_json()
    assert rows(world, "SELECT asset, units, since FROM movements ORDER BY id") == [
        (ASSET, 500, None),
        (TOKEN, 70, None),
    ]


def test_an_asset_that_does_not_answer_breaks_itself_alone(world: World, paper: Paper) -> None:
    vault = world.open("acme", branch=1)
    other = world.open("birch", branch=2)
    paper.add(mixed(world.address("acme", vault).locator))
    paper.add(ChainTransaction("dd" * 32, False, (), (Credit(0, world.address("birch", other).locator, ASSET, 40),)))
    read(world, paper)
    paper.silent.add(TOKEN)
    run = compare(world, paper)
    assert [(item.vault, item.asset, item.check) for item in run.breaks] == [(vault, TOKEN, "assets-answer")]
    assert rows(world, "SELECT id FROM vaults WHERE frozen_at IS NOT NULL") == [(vault,)]


def test_a_silent_asset_stops_no_comparison_of_another_and_is_asked_again(world: World, paper: Paper) -> None:
    place = world.address("acme", world.open("acme", branch=1)).locator
    paper.shows_all = False
    paper.add()
    paper.hides |= {(place, ASSET): 11, (place, TOKEN): 30}
    paper.silent.add(TOKEN)
    for _ in range(9):
        paper.add()
    read(world, paper)
    assert available(world, "acme") == {ASSET: 11}
    assert rows(world, "SELECT kind FROM alarms") == [("asset-silent",)]
    paper.shows_all = True
    paper.silent.clear()
    for _ in range(10):
        paper.add()
    read(world, paper)
    paper.add()
    read(world, paper)
    assert available(world, "acme") == {ASSET: 11, TOKEN: 30}
    assert compare(world, paper).is_balanced


def test_with_the_networks_word_depth_counts_for_nothing(world: World, paper: Paper) -> None:
    world.rules = replace(RULES, finality=Finality.FINALIZED)
    place = world.address("acme", world.open("acme", branch=1)).locator
    paper.add(mixed(place))
    for _ in range(5):
        paper.add()
    read(world, paper)
    assert available(world, "acme") == {}
    with pytest.raises(NoFinality):
        scan(paper, world.db, chain=CHAIN, assets=RULES.assets, start_height=0, finality=Finality.FINALIZED)
    paper.final = 0
    read(world, paper)
    assert available(world, "acme") == {}
    paper.final = 1
    read(world, paper)
    assert available(world, "acme") == {ASSET: 500, TOKEN: 70}
    # Should it undo what it called final, its word for the blocks instead is waited for again.
    del paper.blocks[1:]
    paper.final = 0
    paper.add(mixed(place, "cc" * 32), salt="another")
    for _ in range(5):
        paper.add(salt="another")
    read(world, paper)
    assert available(world, "acme").get(ASSET, 0) == 0
    paper.final = 1
    read(world, paper)
    assert available(world, "acme") == {ASSET: 500, TOKEN: 70}


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
