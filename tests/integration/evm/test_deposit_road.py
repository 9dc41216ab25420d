"""Ether and tokens come in through the rooms on a real node: seen, credited for what arrived, undone by a reorg, and
node and books agree at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from sqlalchemy import text

from custody.addresses import operations as addresses
from custody.addresses.stocking import fill_stock
from custody.chains.ethereum.adapter import EthereumAdapter
from custody.db import Database
from custody.deposits import operations as deposits
from custody.deposits import queries as deposit_queries
from custody.deposits.model import AssetRules, DepositRules, Tier
from custody.ledger import invariants
from custody.ledger import queries as ledger
from custody.movements.scan import scan
from custody.reconciliation.effect import reconcile, reconcile_ranged
from demo.servers import Anvil
from tests.chains.ethereum.conftest import ANVIL, ETHER, NATIVE, NO_TRACES, Limited, adapter_for, token_id
from tests.integration.vaults.safe_keysets import make_safe_keyset, open_clients
from tests.support.evm import Contract, deploy, deploy_token
from tests.support.servers import FreshDatabase

KEY = bytes(32)
PLACES = {"acme": ("segregated", 1), "birch": ("omnibus", 0), "cedar": ("omnibus", 0)}
DEPTH = 12


@dataclass
class House:
    """Three clients with an address each, a token that is registered, and one that is not."""

    db: Database
    anvil: Anvil
    token: Contract
    reader: EthereumAdapter = field(init=False)
    rules: DepositRules = field(init=False)
    at: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reader = adapter_for(self.anvil, self.token)
        rules = AssetRules((Tier(None, DEPTH),), dust_units=10, coinbase_maturity=1)
        self.rules = DepositRules({NATIVE: rules, token_id(self.token): rules})
        keys = make_safe_keyset()
        open_clients(self.db, keys.keyset, keys.consents, PLACES)
        for vault in (f"{keys.keyset.id}/1", f"{keys.keyset.id}/0"):
            fill_stock(self.db, self.reader, vault=vault, target=1, seal_key=KEY)
        self.start = self.anvil.height()
        for client, (_, branch) in PLACES.items():
            with self.db.unit() as unit:
                given = addresses.allocate(
                    unit.session,
                    vault=f"{keys.keyset.id}/{branch}",
                    client=client,
                    seal_key=KEY,
                    low_mark=0,
                    actor="test",
                    now=unit.now,
                )
            self.at[client] = given.address

    def follow(self) -> None:
        """Read to the tip and take up what was read, as the workers do after each block."""
        while scan(self.reader, self.db, chain=ANVIL.chain, assets=self.rules.assets, start_height=self.start).more:
            pass
        with self.db.unit() as unit:
            deposits.advance(unit.session, chain=ANVIL.chain, config=self.rules, actor="test", now=unit.now)

    def settle(self) -> None:
        self.anvil.mine(DEPTH)
        self.follow()

    def available(self, client: str) -> dict[str, int]:
        with self.db.unit() as unit:
            held = {item.asset: item.available for item in ledger.balances(unit.session, client=client)}
        return {asset: units for asset, units in held.items() if units}

    def states(self) -> list[tuple[str, int, str]]:
        with self.db.unit() as unit:
            return sorted((item.asset, item.units, item.state.value) for item in deposit_queries.every(unit.session))

    def expect_agreement(self) -> None:
        """Node, index and books say the same, from our table and from the signed keysets alone."""
        for run in (reconcile, reconcile_ranged):
            done = run(self.reader, self.db, chain=ANVIL.chain, assets=self.rules.assets, start_height=self.start)
            assert done.is_balanced, done.to_json()
        with self.db.unit() as unit:
            assert invariants.check(unit.session) == []


@pytest.fixture
def house(anvil: Anvil, database: FreshDatabase) -> House:
    return House(database.db, anvil, deploy_token(anvil))


def test_p001_ether_is_credited_however_it_came(house: House) -> None:
    anvil, acme = house.anvil, house.at["acme"]
    forwarder = deploy(anvil, "Forwarder")
    anvil.transact(acme, 3 * ETHER)
    forwarder.transact("forward", acme, amount_wei=500)
    deploy(anvil, "SelfDestructor", amount_wei=70).transact("destroy", acme)
    forwarder.transact("forwardAndUndo", acme, amount_wei=11, gas=200_000)
    house.follow()
    assert house.available("acme") == {}
    house.settle()
    assert house.available("acme") == {NATIVE: 3 * ETHER + 570}
    assert house.available("birch") == house.available("cedar") == {}
    house.expect_agreement()


def test_tokens_and_ether_of_several_clients_stay_apart(house: House) -> None:
    token = token_id(house.token)
    house.anvil.transact(house.at["birch"], 40)
    house.token.transact("transfer", house.at["birch"], 1_000)
    house.token.transact("transfer", house.at["cedar"], 5)
    house.settle()
    assert house.available("birch") == {NATIVE: 40, token: 1_000}
    assert house.available("cedar") == {}
    assert (token, 5, "dust") in house.states()
    house.expect_agreement()


def test_a_token_nobody_registered_is_never_credited(house: House) -> None:
    deploy_token(house.anvil).transact("transfer", house.at["acme"], 1_000)
    house.settle()
    assert house.states() == []
    house.expect_agreement()


@pytest.mark.parametrize(("name", "arrives"), [("FeeToken", 990), ("LyingToken", 500), ("TwoLogsToken", 1_000)])
def test_what_arrived_is_credited_whatever_was_told(
    anvil: Anvil, database: FreshDatabase, name: str, arrives: int
) -> None:
    house = House(database.db, anvil, deploy_token(anvil, name))
    house.token.transact("transfer", house.at["acme"], 1_000)
    house.settle()
    assert sum(house.available("acme").values()) == arrives
    with house.db.unit() as unit:
        doubts = unit.session.execute(text("SELECT count(*) FROM alarms WHERE kind = 'movement-in-doubt'")).scalar_one()
    assert bool(doubts) == (name != "FeeToken")
    house.expect_agreement()


def test_a_reorg_before_the_credit_takes_the_deposit_with_it(house: House) -> None:
    house.anvil.transact(house.at["acme"], 100)
    house.follow()
    assert house.states() == [(NATIVE, 100, "confirming")]
    house.anvil.reorg(1)
    house.anvil.mine(1)
    house.follow()
    assert house.states() == [(NATIVE, 100, "orphaned")]
    house.anvil.transact(house.at["acme"], 100)
    house.settle()
    assert house.available("acme") == {NATIVE: 100}
    house.expect_agreement()


def test_a_node_that_shows_a_part_is_not_followed(house: House) -> None:
    """Without traces what a contract pays is invisible: nothing is recorded rather than a part."""
    house.reader = adapter_for(house.anvil, house.token, rpc=Limited(house.anvil.url, missing=NO_TRACES))
    deploy(house.anvil, "Forwarder").transact("forward", house.at["acme"], amount_wei=500)
    with pytest.raises(BlockIncomplete):
        house.follow()
    assert house.states() == []
    house.reader = adapter_for(house.anvil, house.token)
    house.settle()
    assert house.available("acme") == {NATIVE: 500}
    house.expect_agreement()
