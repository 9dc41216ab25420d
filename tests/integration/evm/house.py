"""A house on a chain whose places are contracts: clients with an address each, and the real node they are paid on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eth_account import Account
from sqlalchemy import create_engine, text

from custody.addresses import operations as addresses
from custody.addresses import queries as address_queries
from custody.addresses.stocking import fill_stock
from custody.chains.ethereum.adapter import EthereumAdapter
from custody.chains.ethereum.addressing import SafeSource
from custody.chains.ethereum.rpc import Rpc
from custody.db import Database
from custody.deposits import operations as deposits
from custody.deposits import queries as deposit_queries
from custody.deposits.model import AssetRules, DepositRules, Tier
from custody.kernel import crash
from custody.kernel.money import Asset
from custody.ledger import invariants
from custody.ledger import queries as ledger
from custody.movements.scan import scan
from custody.reconciliation.effect import reconcile, reconcile_ranged
from custody.reconciliation.model import RunResult
from custody.trust import operations as trust
from custody.vaults import operations as vault_operations
from custody.vaults import queries as vaults
from demo.servers import Anvil
from tests.chains.ethereum.conftest import ANVIL, NATIVE, NO_TRACES, Limited, adapter_for, token_id
from tests.cosigner.builders import DEMO_POLICY
from tests.integration.deposits.world import DEADLINES, open_by_policy, signed_root
from tests.integration.vaults.safe_keysets import SafeKeyset, make_safe_keyset
from tests.support import oracle
from tests.support.evm import Contract
from tests.support.safes import Safe
from tests.support.servers import FreshDatabase

KEY = bytes(32)
PLACES = {"acme": ("segregated", 1), "birch": ("omnibus", 0), "cedar": ("omnibus", 0)}
DEPTH = 12


def rules_for(tokens: Sequence[str]) -> DepositRules:
    """Ether and these tokens, each credited ``DEPTH`` blocks deep."""
    rules = AssetRules((Tier(None, DEPTH),), dust_units=10, coinbase_maturity=1)
    return DepositRules(dict.fromkeys((NATIVE, *tokens), rules))


@dataclass
class House:
    """Clients with an address each, tokens that are registered, and whatever else is on the chain."""

    database: FreshDatabase
    anvil: Anvil
    tokens: tuple[Contract, ...] = ()
    places: Mapping[str, tuple[str, int]] = field(default_factory=lambda: PLACES)
    rules: DepositRules = field(init=False)
    reader: EthereumAdapter = field(init=False)
    node: Callable[[], Rpc] = field(init=False)
    at: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.db: Database = self.database.db
        self.keys: SafeKeyset = make_safe_keyset()
        self.shown_whole()
        self.rules = rules_for([token_id(token) for token in self.tokens])
        self._found()
        for branch in sorted({branch for _, branch in self.places.values()}):
            fill_stock(self.db, self.reader, vault=self.vault(branch), target=1, seal_key=KEY)
        self.start = self.anvil.height()
        for client, (_, branch) in self.places.items():
            with self.db.unit() as unit:
                given = addresses.allocate(
                    unit.session,
                    vault=self.vault(branch),
                    client=client,
                    seal_key=KEY,
                    low_mark=0,
                    actor="test",
                    now=unit.now,
                )
            self.at[client] = given.address

    def _found(self) -> None:
        """Hold the ceremony and open the clients."""
        registered = [Asset(token_id(token), f"T{number}", 6, ANVIL.chain) for number, token in enumerate(self.tokens)]
        with self.db.unit() as unit:
            root = signed_root([self.keys], now=unit.now, assets=[ANVIL.asset, *registered])
            trust.install(unit.session, signed=root, policy_text=DEMO_POLICY, actor="test", now=unit.now)
            vault_operations.register_keyset(
                unit.session, keyset=self.keys.keyset, consents=self.keys.consents, actor="test", now=unit.now
            )
            for client, (segregation, branch) in self.places.items():
                open_by_policy(
                    unit.session,
                    client=client,
                    keyset=self.keys.keyset.id,
                    branch=branch,
                    segregation=segregation,
                    now=unit.now,
                )

    @property
    def token(self) -> Contract:
        return self.tokens[0]

    def vault(self, branch: int) -> str:
        return f"{self.keys.keyset.id}/{branch}"

    def vault_of(self, client: str) -> str:
        return self.vault(self.places[client][1])

    def takes_fee(self, token: Contract) -> None:
        """The registry says that less may arrive of this token than it tells."""
        flagged = replace(self.rules.of(token_id(token)), fee_on_transfer=True)
        self.rules = replace(self.rules, by_asset={**self.rules.by_asset, token_id(token): flagged})

    def through(self, node: Callable[[], Rpc]) -> None:
        """From now on the node is seen in this way, which may show less."""
        self.node = node
        self.reader = adapter_for(self.anvil, *self.tokens, rpc=node())

    def shown_whole(self) -> None:
        """From now on the node shows all it can."""
        self.through(lambda: Rpc(self.anvil.url))

    def shown_in_part(self) -> None:
        """From now on the node shows no traces."""
        self.through(lambda: Limited(self.anvil.url, missing=NO_TRACES))

    def forgotten_before_the_newest(self, blocks: int = 128) -> None:
        """From now on the node is one that has the state of the newest ``blocks`` there are now and of later ones."""
        oldest = self.anvil.height() - blocks + 1
        self.through(lambda: Forgetful(self.anvil.url, oldest=oldest))

    def safe(self, client: str) -> Safe:
        """The Safe of a client's first address, with its owners' keys."""
        with self.db.unit() as unit:
            source = vaults.source_of(unit.session, vault=vaults.get(unit.session, vault=self.vault_of(client)))
        assert isinstance(source, SafeSource)
        owners = [Account.from_key(cosigner.secret) for cosigner in self.keys.cosigners]
        salt = source.salt_nonce(client=client, change=False, index=0)
        made = Safe(self.anvil, owners, self.keys.keyset.threshold, salt)
        assert made.address == self.at[client]
        return made

    def stock_of(self, client: str) -> str:
        """Fill the client's stock and name an address in it that nobody was given."""
        fill_stock(self.db, self.reader, vault=self.vault_of(client), target=1, seal_key=KEY)
        with self.db.unit() as unit:
            places = address_queries.locators_of(unit.session, vault=self.vault_of(client))
        (spare,) = (place for place, owner in places.items() if owner.client is None)
        return f"0x{spare.hex()}"

    def read(self, **options: Any) -> None:
        """Read to the tip."""
        while scan(
            self.reader, self.db, chain=ANVIL.chain, assets=self.rules.assets, start_height=self.start, **options
        ).more:
            pass

    def follow(self, **options: Any) -> None:
        """Read to the tip and take up what was read, as the workers do after each block."""
        self.read(**options)
        with self.db.unit() as unit:
            deposits.advance(unit.session, chain=ANVIL.chain, config=self.rules, actor="test", now=unit.now)

    def settle(self, blocks: int = DEPTH) -> None:
        self.anvil.mine(blocks)
        self.follow()

    def dies_at(self, point: str) -> None:
        """Another process reads on and is killed at ``point``."""
        child = os.fork()
        if child == 0:
            crash.arm(point)
            try:
                self.db = Database(self.database.app_url)
                self.through(self.node)
                self.follow()
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL

    def available(self, client: str) -> dict[str, int]:
        with self.db.unit() as unit:
            held = {item.asset: item.available for item in ledger.balances(unit.session, client=client)}
        return {asset: units for asset, units in held.items() if units}

    def states(self) -> list[tuple[str, int, str]]:
        with self.db.unit() as unit:
            return sorted((item.asset, item.units, item.state.value) for item in deposit_queries.every(unit.session))

    def frozen(self) -> dict[str, str]:
        """Vault to why, of those that are frozen."""
        with self.db.unit() as unit:
            return {vault.id: vault.frozen_reason for vault in vaults.every(unit.session) if vault.frozen_reason}

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self.db.unit() as unit:
            return [tuple(row) for row in unit.session.execute(text(statement))]

    def alarms(self, kind: str) -> int:
        return len(self.rows(f"SELECT id FROM alarms WHERE kind = '{kind}'"))

    def as_thief(self, *statements: str) -> None:
        """Change the database as somebody who has it."""
        engine = create_engine(self.database.superuser_url)
        with engine.begin() as connection:
            for statement in ("SET session_replication_role = replica", *statements):
                connection.exec_driver_sql(statement)
        engine.dispose()

    def reconcile(self) -> RunResult:
        return reconcile(self.reader, self.db, chain=ANVIL.chain, assets=self.rules.assets, start_height=self.start)

    def expect_agreement(self) -> None:
        """Node, index and books say the same, from our table and from the signed keysets alone."""
        for run in (reconcile, reconcile_ranged):
            done = run(self.reader, self.db, chain=ANVIL.chain, assets=self.rules.assets, start_height=self.start)
            assert done.is_balanced, done.to_json()
        self.expect_whole()

    def expect_whole(self) -> None:
        """Every invariant that a database can show holds."""
        with self.db.unit() as unit:
            assert invariants.check(unit.session) == []
        oracle.expect_whole(self.db, terms={}, deadlines=DEADLINES)


class Forgetful(Limited):
    """A full node: it has the state of blocks from ``oldest`` on, and traces of none of the others."""

    def __init__(self, url: str, *, oldest: int) -> None:
        super().__init__(url)
        self.oldest, self._plain = oldest, Rpc(url)

    def call(self, method: str, *params: Any, timeout_seconds: float | None = None) -> Any:
        self.refusing = self._forgotten(method, params)
        return super().call(method, *params, timeout_seconds=timeout_seconds)

    def batch(self, calls: Any, *, timeout_seconds: float | None = None) -> list[Any]:
        self.refusing = {}
        for method, params in calls:
            self.refusing |= self._forgotten(method, params)
        return super().batch(calls, timeout_seconds=timeout_seconds)

    def _forgotten(self, method: str, params: Any) -> dict[str, str]:
        if method == "trace_block" and int(params[0], 16) < self.oldest:
            return {method: "required historical state unavailable"}
        named = next((each["blockHash"] for each in params if isinstance(each, dict) and "blockHash" in each), None)
        if named is None or self._height(named) >= self.oldest:
            return {}
        return {method: "missing trie node"}

    def _height(self, block_hash: str) -> int:
        return int(self._plain.call("eth_getBlockByHash", block_hash, False)["number"], 16)
