"""A small custody house on a real database, beside a real node: keyset, clients, stock, scans and deposits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from config.chains import load_chains
from custody.addresses import operations as addresses
from custody.addresses import queries as address_queries
from custody.addresses.model import DepositAddress, derive
from custody.approvals import operations as approvals
from custody.chains.port import ChainReader
from custody.chains.registry import NodeAddress, open_chain, spending
from custody.db import Database
from custody.deposits import operations as deposits
from custody.deposits import queries as deposit_queries
from custody.deposits.model import AssetRules, Deposit, DepositRules, Tier
from custody.deposits.watch import watch_mempool
from custody.evidence.requests import ClientOpeningRequest, request_message
from custody.evidence.signatures import public_half, sign_ed25519
from custody.evidence.trust_root import Person, SignedTrustRoot, TrustRoot
from custody.kernel.money import Asset
from custody.ledger import invariants
from custody.ledger import queries as ledger
from custody.movements import queries as movement_queries
from custody.movements.scan import ScanResult, scan
from custody.openings import operations as openings
from custody.reconciliation.stuck import Deadlines
from custody.trust import operations as trust
from custody.vaults import operations as vaults
from custody.vaults import queries as vault_queries
from demo.servers import Bitcoind
from policies.document import document_hash
from tests.cosigner.builders import DEMO_POLICY, approval, key_id, person_key
from tests.integration.vaults.keysets import REGTEST, TestKeyset, make_keyset
from tests.integration.vaults.safe_keysets import SafeKeyset
from tests.support import oracle
from tests.support.servers import FreshDatabase

SEAL_KEY = b"the seal's key is not in the database"
CHAIN = REGTEST.chain
ASSET = REGTEST.asset.id
OPERATORS = ("alice", "bob", "carol")
CONFIG = load_chains((Path(__file__).parents[3] / "config/chains.toml").read_text())["regtest"]
RULES = DepositRules(
    {
        ASSET: AssetRules(
            tiers=(Tier(1_000_000, 1), Tier(100_000_000, 3), Tier(None, 6)),
            dust_units=1_000,
            coinbase_maturity=100,
        )
    }
)
TERMS = {CHAIN: spending(CHAIN).terms(asdict(CONFIG))}
DEADLINES = {CHAIN: Deadlines(**asdict(CONFIG.deadlines))}
"""As the daemon reads them."""


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
    """``db`` with a trust root in force and its keysets registered; ``node`` is followed from the height it had when
    the world was made.
    """

    db: Database
    node: Bitcoind
    keys: TestKeyset = field(default_factory=make_keyset)
    newer: TestKeyset | None = None
    """A keyset that the first one is rotated to, where a test does so."""
    rules: DepositRules = RULES
    remembered: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.start_height: int = self.node.rpc("getblockcount")
        self.reader = reader_of(self.node)
        keysets = [self.keys, *([self.newer] if self.newer else [])]
        with self.db.unit() as unit:
            signed = signed_root(keysets, now=unit.now)
            trust.install(unit.session, signed=signed, policy_text=DEMO_POLICY, actor="test", now=unit.now)
            for keys in keysets:
                vaults.register_keyset(
                    unit.session, keyset=keys.keyset, consents=keys.consents, actor="test", now=unit.now
                )

    def open(self, client: str, *, branch: int, segregation: str = "segregated", keyset: str = "") -> str:
        """Open a client and its vault, or its place in the pool, as policy asks; returns the vault's id."""
        keyset = keyset or self.keys.keyset.id
        with self.db.unit() as unit:
            open_by_policy(
                unit.session,
                client=client,
                keyset=keyset,
                branch=branch,
                segregation=segregation,
                now=unit.now,
            )
        vault = f"{keyset}/{branch}"
        self.stock(vault, 5)
        return vault

    def stock(self, vault: str, target: int, *, change: bool | None = None) -> None:
        """Fill the stock, both chains unless told which."""
        for chain in (False, True) if change is None else (change,):
            with self.db.unit() as unit:
                plan = addresses.plan_stock(unit.session, vault=vault, change=chain, target=target, seal_key=SEAL_KEY)
            if plan is not None:
                derived = derive(plan)
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
        return scan(
            self.reader,
            self.db,
            chain=CHAIN,
            assets=self.rules.assets,
            start_height=self.start_height,
            **options,
        )

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

    def expect_whole(self) -> None:
        """Node, index and books agree, and every invariant that a database can show holds."""
        self.expect_invariants()
        oracle.expect_whole(self.db, terms=TERMS, deadlines=DEADLINES)

    def _expect_vault_agrees(self, session: Session, vault: str) -> None:
        found = self.reader.holdings(address_queries.locators_of(session, vault=vault), assets=[ASSET])
        movements = movement_queries.movements_of(session, vault=vault, up_to_height=found.height)
        on_chain = sum(item.units for item in found.holdings)
        coins = movement_queries.coins_at(session, vault=vault, asset=ASSET, height=found.height)
        held = {(item.txid, item.position, item.units) for item in found.holdings}
        assert {(coin.txid, coin.position, coin.units) for coin in coins} == held
        assert movement_queries.balance_at(session, vault=vault, asset=ASSET, height=found.height) == on_chain
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
        """A payment out of a vault of the house; see ``spend``."""
        return spend(self.node, self.keys, inputs, pay, signers=signers)


@dataclass(frozen=True)
class Place:
    """Where a coin lies that the house need not know of."""

    vault: str
    change: bool = False
    index: int = 0


def spend(
    node: Bitcoind,
    keys: TestKeyset,
    inputs: Sequence[tuple[str, int, int, DepositAddress | Place]],
    pay: dict[str, int],
    *,
    signers: tuple[int, ...] = (0, 1),
) -> str:
    """A payment out of a branch of ``keys`` with two cosigners' keys (``signers``), as a transaction in hex.

    ``inputs``: (txid, vout, sat, the address that received it); ``pay``: address to sat.
    """
    spent = [{"txid": txid, "vout": vout} for txid, vout, _, _ in inputs]
    raw = node.rpc("createrawtransaction", spent, [{to: _btc(sat)} for to, sat in pay.items()])
    known, wifs = [], []
    for txid, vout, sat, address in inputs:
        branch = int(address.vault.rsplit("/", 1)[1])
        script = keys.descriptor(branch).derive(change=address.change, index=address.index)
        known.append(
            {
                "txid": txid,
                "vout": vout,
                "scriptPubKey": script.script_pubkey.hex(),
                "witnessScript": script.witness_script.hex(),
                "amount": _btc(sat),
            }
        )
        wifs += [
            item.wif(branch, change=address.change, index=address.index)
            for item in (keys.cosigners[n] for n in signers)
        ]
    signed = node.rpc("signrawtransactionwithkey", raw, wifs, known)
    assert signed["complete"], signed
    text: str = signed["hex"]
    return text


def signed_root(
    keysets: Sequence[TestKeyset | SafeKeyset], *, now: datetime, assets: Sequence[Asset] = (REGTEST.asset,)
) -> SignedTrustRoot:
    """A trust root with these keysets and the demo's people and policy, signed by everybody in it."""
    people = {name: Person(name, (public_half(person_key(name), key_id(name)),)) for name in (*OPERATORS, "exchange")}
    root = TrustRoot(
        version=1,
        name="deposits",
        created_at=now - timedelta(days=1),
        expires_at=now + timedelta(days=365),
        assets=tuple(assets),
        operators=tuple(people[name] for name in OPERATORS),
        requesters=(people["exchange"],),
        groups={"operators": OPERATORS},
        keysets=tuple(keys.keyset for keys in keysets),
        policy_hash=document_hash(DEMO_POLICY),
    )
    message = bytes.fromhex(root.hash)
    said = [sign_ed25519(person_key(name), key_id(name), message) for name in OPERATORS]
    return SignedTrustRoot(root, (*said, *(member.sign(message) for keys in keysets for member in keys.cosigners)))


def open_by_policy(session: Session, *, client: str, keyset: str, branch: int, segregation: str, now: datetime) -> None:
    """The exchange asks to open a client and its vault, alice agrees, and it is done."""
    request = ClientOpeningRequest(
        requester="exchange",
        client=client,
        name=client.title(),
        segregation=segregation,
        keyset=keyset,
        branch=branch,
        not_after=now + timedelta(days=2),
        idempotency_key=f"open-{client}",
    )
    in_force = trust.in_force(session)
    opening = openings.request_opening(
        session,
        request=request,
        signature=sign_ed25519(person_key("exchange"), key_id("exchange"), request_message(request)),
        trust=in_force,
        now=now,
    )
    said = approval("alice", opening.digest, given_at=now, not_after=request.not_after)
    approvals.give(session, digest=opening.digest, approval=said, root=in_force.root, correlation_id="test", now=now)
    openings.complete(session, digest=opening.digest, now=now)


def _btc(sat: int) -> str:
    return f"{sat // 100_000_000}.{sat % 100_000_000:08d}"


def outpoint_of(node: Bitcoind, txid: str, address: str) -> int:
    """Which output of a mempool or just-mined transaction pays ``address``."""
    outputs = node.wallet("faucet").rpc("gettransaction", txid, True, True)["decoded"]["vout"]
    found: int = next(item["n"] for item in outputs if item["scriptPubKey"].get("address") == address)
    return found
