"""A small custody house on a real database, beside a real node: keyset, clients, stock, scans and deposits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from custody.addresses import operations as addresses
from custody.addresses import queries as address_queries
from custody.addresses.model import DepositAddress, derive
from custody.chains.port import ChainReader
from custody.chains.registry import NodeAddress, open_chain
from custody.clients import operations as clients
from custody.db import Database
from custody.deposits import operations as deposits
from custody.deposits import queries as deposit_queries
from custody.deposits.model import Deposit, DepositRules, Tier
from custody.deposits.watch import watch_mempool
from custody.ledger import invariants
from custody.ledger import queries as ledger
from custody.movements import queries as movement_queries
from custody.movements.scan import ScanResult, scan
from custody.vaults import operations as vaults
from custody.vaults import queries as vault_queries
from demo.servers import Bitcoind
from tests.integration.vaults.keysets import REGTEST, TestKeyset, make_keyset
from tests.support.servers import FreshDatabase

SEAL_KEY = b"the seal's key is not in the database"
CHAIN = REGTEST.chain
ASSET = REGTEST.asset.id
RULES = DepositRules(
    asset=ASSET,
    tiers=(Tier(1_000_000, 1), Tier(100_000_000, 3), Tier(None, 6)),
    dust_units=1_000,
    coinbase_maturity=100,
)


def as_superuser(database: FreshDatabase, *statements: str) -> None:
    """Change the database as a thief with every right would: no trigger fires."""
    engine = create_engine(database.superuser_url)
    with engine.begin() as connection:
        for statement in ("SET session_replication_role = replica", *statements):
            connection.exec_driver_sql(statement)
    engine.dispose()


def reader_of(node: Bitcoind) -> ChainReader:
    return open_chain(CHAIN, NodeAddress(node.url))


@dataclass
class World:
    """``db`` with one registered keyset; ``node`` is followed from the height it had when the world was made."""

    db: Database
    node: Bitcoind
    keys: TestKeyset = field(default_factory=make_keyset)
    rules: DepositRules = RULES
    remembered: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.start_height: int = self.node.rpc("getblockcount")
        self.reader = reader_of(self.node)
        with self.db.unit() as unit:
            vaults.register_keyset(
                unit.session, keyset=self.keys.keyset, consents=self.keys.consents, actor="test", now=unit.now
            )

    def open(self, client: str, *, branch: int, segregation: str = "segregated") -> str:
        """Open a client and its vault, or its place in the pool; returns the vault's id."""
        kind = "segregated" if segregation == "segregated" else "pool"
        with self.db.unit() as unit:
            clients.open_client(
                unit.session,
                client=client,
                name=client.title(),
                segregation=segregation,
                opening="00" * 32,
                actor="test",
                now=unit.now,
            )
            vault = vaults.open_vault(
                unit.session,
                keyset_id=self.keys.keyset.id,
                branch=branch,
                kind=kind,
                client=client,
                actor="test",
                now=unit.now,
            )
        self.stock(vault.id, 5)
        return vault.id

    def stock(self, vault: str, target: int, *, change: bool | None = None) -> None:
        """Fill the stock, both chains unless told which."""
        for chain in (False, True) if change is None else (change,):
            with self.db.unit() as unit:
                plan = addresses.plan_stock(unit.session, vault=vault, change=chain, target=target, seal_key=SEAL_KEY)
            if plan is not None:
                derived = derive(plan.descriptor, change=chain, indexes=plan.indexes)
                with self.db.unit() as unit:
                    addresses.store(unit.session, plan=plan, derived=derived, seal_key=SEAL_KEY, now=unit.now)

    def address(self, client: str, vault: str) -> DepositAddress:
        with self.db.unit() as unit:
            return addresses.allocate(
                unit.session,
                vault=vault,
                client=client,
                seal_key=SEAL_KEY,
                low_mark=1,
                actor="test",
                now=unit.now,
            )

    def change_address(self, vault: str) -> DepositAddress:
        with self.db.unit() as unit:
            return addresses.allocate_change(
                unit.session, vault=vault, seal_key=SEAL_KEY, low_mark=1, actor="test", now=unit.now
            )

    def scan(self, **options: int) -> ScanResult:
        return scan(self.reader, self.db, chain=CHAIN, start_height=self.start_height, **options)

    def advance(self) -> deposits.Advanced:
        with self.db.unit() as unit:
            return deposits.advance(unit.session, chain=CHAIN, config=self.rules, actor="test", now=unit.now)

    def settle(self) -> None:
        """Scan to the tip and advance: what the workers do after each block."""
        while self.scan().more:
            pass
        self.advance()

    def watch(self) -> None:
        watch_mempool(self.reader, self.db, chain=CHAIN, config=self.rules, seen_before=self.remembered, actor="test")

    def mine(self, blocks: int = 1) -> None:
        self.node.mine(blocks)
        self.settle()

    def deposits(self) -> list[Deposit]:
        with self.db.unit() as unit:
            return deposit_queries.every(unit.session)

    def available(self, client: str) -> int:
        with self.db.unit() as unit:
            return sum(balance.available for balance in ledger.balances(unit.session, client=client))

    def suspense(self, vault: str) -> int:
        with self.db.unit() as unit:
            return sum(total.suspense for total in ledger.vault_totals(unit.session) if total.vault == vault)

    def accounts_but(self, *owners: str) -> list[ledger.AccountBalance]:
        """Every account of everybody else, to the version (I14)."""
        with self.db.unit() as unit:
            return [item for item in ledger.accounts(unit.session) if item.account.owner not in owners]

    def expect_invariants(self) -> None:
        """The ledger's own, the deposits' invariants, and per vault: node = coins = movements (= ledger)."""
        with self.db.unit() as unit:
            assert invariants.check(unit.session) == []
            for vault in vault_queries.every(unit.session):
                self._expect_vault_agrees(unit.session, vault.id)

    def expect_ledger(self) -> None:
        """The ledger's invariants alone: where a test made the stored scripts themselves wrong."""
        with self.db.unit() as unit:
            assert invariants.check(unit.session) == []

    def _expect_vault_agrees(self, session: Session, vault: str) -> None:
        found = self.reader.scan_scripts(address_queries.scripts_of(session, vault=vault))
        movements = movement_queries.movements_of(session, vault=vault, up_to_height=found.height)
        on_chain = sum(item.units for item in found.unspents)
        coins = movement_queries.coins_at(session, vault=vault, height=found.height)
        assert {(c.txid, c.vout, c.units) for c in coins} == {(u.txid, u.vout, u.units) for u in found.unspents}
        assert movement_queries.balance_at(session, vault=vault, height=found.height) == on_chain
        if any(item.direction == "out" for item in movements):
            return
        waiting = sum(item.units for item in deposit_queries.in_flight(session, vault=vault, height=found.height))
        booked = sum(total.onchain for total in ledger.vault_totals(session) if total.vault == vault)
        assert booked + waiting == on_chain

    def spend(
        self,
        inputs: Sequence[tuple[str, int, int, DepositAddress]],
        pay: dict[str, int],
        *,
        signers: tuple[int, ...] = (0, 1),
    ) -> str:
        """A payment out of a vault with two cosigners' keys (``signers``), as a transaction in hex.

        ``inputs``: (txid, vout, sat, the address that received it); ``pay``: address to sat.
        """
        spent = [{"txid": txid, "vout": vout} for txid, vout, _, _ in inputs]
        raw = self.node.rpc("createrawtransaction", spent, [{to: _btc(sat)} for to, sat in pay.items()])
        known, keys = [], []
        for txid, vout, sat, address in inputs:
            branch = int(address.vault.rsplit("/", 1)[1])
            script = self.keys.descriptor(branch).derive(change=address.change, index=address.index)
            known.append(
                {
                    "txid": txid,
                    "vout": vout,
                    "scriptPubKey": script.script_pubkey.hex(),
                    "witnessScript": script.witness_script.hex(),
                    "amount": _btc(sat),
                }
            )
            keys += [
                item.wif(branch, change=address.change, index=address.index)
                for item in (self.keys.cosigners[n] for n in signers)
            ]
        signed = self.node.rpc("signrawtransactionwithkey", raw, keys, known)
        assert signed["complete"], signed
        text: str = signed["hex"]
        return text


def _btc(sat: int) -> str:
    return f"{sat // 100_000_000}.{sat % 100_000_000:08d}"


def outpoint_of(node: Bitcoind, txid: str, address: str) -> int:
    """Which output of a mempool or just-mined transaction pays ``address``."""
    outputs = node.wallet("faucet").rpc("gettransaction", txid, True, True)["decoded"]["vout"]
    found: int = next(item["n"] for item in outputs if item["scriptPubKey"].get("address") == address)
    return found
