"""A house on an Ethereum node that carries signed spends: clients with Safes, a payer with a key, no workers.

``RelayHouse.signed`` gives what ``spends`` would hand over; ``send``, ``follow`` and ``scan`` are what workers do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import coincurve
from eth_account import Account
from sqlalchemy import text
from sqlalchemy.orm import Session

from custody.addresses import operations as addresses
from custody.addresses.stocking import fill_stock
from custody.approvals import operations as approvals
from custody.chains import spending as port
from custody.chains.carrying import PayerKey, PayerRules
from custody.chains.ethereum.adapter import EthereumAdapter
from custody.chains.ethereum.offline.network import network
from custody.chains.ethereum.offline.proxy import Safes, SafeSetup, salt_nonce
from custody.chains.ethereum.offline.signer import signature_over
from custody.chains.ethereum.payer import open_payer_key
from custody.chains.ethereum.rpc import Rpc
from custody.chains.ethereum.spending import EthereumSpending
from custody.chains.ethereum.terms import EthereumTerms
from custody.chains.port import BroadcastOutcome
from custody.chains.spending import Order, Plan, Turn
from custody.db import Database
from custody.deposits import operations as deposits
from custody.deposits.model import AssetRules, DepositRules, Tier
from custody.evidence.requests import ClientOpeningRequest, request_message
from custody.evidence.signatures import Signature, public_half, sign_ed25519
from custody.evidence.trust_root import Person, SignedTrustRoot, TrustRoot
from custody.kernel.money import Amount
from custody.ledger import operations as ledger
from custody.movements.queries import movements_of
from custody.movements.scan import scan
from custody.openings import operations as openings
from custody.reconciliation.effect import reconcile, reconcile_ranged
from custody.reconciliation.stuck import Deadlines
from custody.relaying import effect, queries
from custody.relaying.model import Load, StoredCarriage
from custody.relaying.states import CarriageState
from custody.spends import queries as spends
from custody.spends.tables import AttemptRow
from custody.trust import operations as trust
from custody.vaults import operations as vaults
from custody.views.objects import attempt_view
from demo.servers import Anvil
from policies.document import document_hash
from tests.cosigner.builders import DEMO_POLICY, approval, key_id, person_key
from tests.integration.vaults.safe_keysets import SafeKeyset, make_safe_keyset, open_clients
from tests.support import oracle

ANVIL: Final = network("anvil")
NATIVE: Final = ANVIL.asset.id
SPENDING: Final = EthereumSpending(ANVIL.chain)
ETHER: Final = 10**18
GWEI: Final = 10**9
RULES: Final = PayerRules(
    rate_cap=500 * GWEI,
    tip_cap=50 * GWEI,
    low_units=ETHER // 10,
    required_depth=3,
    raise_after=timedelta(hours=1),
)
TERMS: Final = EthereumTerms(absolute_wei=ETHER, rate_wei_gas=500 * GWEI, share_bps=10_000)
SEAL: Final = bytes(32)
DEPTH: Final = 3
OPERATORS: Final = ("alice", "bob", "carol")
DEPOSITS: Final = DepositRules({NATIVE: AssetRules((Tier(None, DEPTH),), dust_units=1, coinbase_maturity=1)})
DEADLINES: Final = Deadlines(600, 120, 600, 60, 120, 120, 300)
CLIENTS: Final = {"acme": ("segregated", 1), "birch": ("segregated", 2)}


@dataclass(frozen=True)
class Signed:
    """A spend that a quorum signed."""

    spend: str
    raw: bytes
    safe: str
    client: str


@dataclass
class RelayHouse:
    """Several clients with a Safe each, and the payer of their spends."""

    db: Database
    anvil: Anvil
    clients: Mapping[str, tuple[str, int]] = field(default_factory=lambda: dict(CLIENTS))
    funded_wei: int = 10 * ETHER
    rules: PayerRules = RULES
    keys: SafeKeyset = field(default_factory=make_safe_keyset)
    rpc: Rpc | None = None
    payer_secret: str = field(default_factory=lambda: Account.create().key.hex())
    node: EthereumAdapter = field(init=False)
    key: PayerKey = field(init=False)
    safes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.node = EthereumAdapter(self.rpc or Rpc(self.anvil.url), network=ANVIL)
        self.key = open_payer_key(self.payer_secret, chain=ANVIL.chain)
        setup = SafeSetup.of([each.key.address for each in self.keys.cosigners], self.keys.keyset.threshold)
        for client in self.clients:
            salt = salt_nonce(keyset=self.keys.keyset.id, client=client, index=0, network=ANVIL)
            self.safes[client] = Safes(setup).address(salt)
            self.anvil.rpc("anvil_setBalance", self.safes[client], hex(100 * ETHER))

    def found(self) -> RelayHouse:
        """Open the clients, read the chain and top the payer up."""
        open_clients(self.db, self.keys.keyset, self.keys.consents, self.clients)
        self.scan()
        if self.funded_wei:
            self.anvil.transact(self.key.account, self.funded_wei)
        self.scan()
        return self

    def scan(self) -> None:
        """Read the chain to its tip."""
        while scan(self.node, self.db, chain=ANVIL.chain, assets={NATIVE}, start_height=0).more:
            pass

    def signed(self, client: str, *, to: str | None = None, wei: int = 10**15, number: int = 0) -> Signed:
        """A payment out of the client's Safe at this nonce, signed by two."""
        to = to or payee(client)
        turn = Turn(self.safes[client], number, client=client, index=0)
        order = Order("wdr_1", "v", ANVIL.chain, NATIVE, bytes.fromhex(to[2:]), wei, 0)
        return self.sign(Plan(order, (turn,), None, 0), client)

    def sign(self, plan: Plan, client: str) -> Signed:
        """What a quorum makes of a plan."""
        keyset, (turn,) = self.keys.keyset, plan.inputs
        made = SPENDING.compose(plan, keyset=keyset, branch=0, change_index=None)
        where: dict[str, Any] = {"unsigned": made.unsigned, "inputs": plan.inputs, "keyset": keyset, "branch": 0}
        digest = bytes.fromhex(made.spend[2:])
        answers = {
            each.name: SPENDING.read_answer(
                "0x" + signature_over(digest, each.secret).hex(), cosigner=each.name, **where
            )
            for each in self.keys.cosigners[:2]
        }
        final: port.Final = SPENDING.finalise(answers, **where)
        assert isinstance(turn, Turn)
        return Signed(final.spend, final.raw, turn.account, client)

    def send(self, signed: Signed, **changes: Any) -> BroadcastOutcome:
        """As a worker's task does it."""
        return effect.send(**self._lane(), spend=signed.spend, final=signed.raw, **{"client": signed.client, **changes})

    def follow(self) -> None:
        """As the schedule does it: read the chain, bring everything on."""
        self.scan()
        effect.follow(**self._lane())

    def settle(self) -> None:
        """Mine until what landed is deep enough, and follow."""
        self.anvil.mine(self.rules.required_depth)
        self.follow()

    def use(self, **changes: Any) -> None:
        """Change the rules."""
        self.rules = replace(self.rules, **changes)

    def lane(self) -> effect.Lane:
        """All that carrying takes."""
        return effect.Lane(self.db, self.node, ANVIL.chain, self.key, self.rules, TERMS, everything)

    def load(self, signed: Signed) -> Load:
        """The spend as relaying has it."""
        with self.db.unit() as unit:
            found = queries.load(unit.session, chain=ANVIL.chain, spend=signed.spend)
        assert found is not None
        return found

    def carriages(self) -> list[StoredCarriage]:
        """All of the payer's, by number."""
        with self.db.unit() as unit:
            return queries.carriages(
                unit.session, chain=ANVIL.chain, account=self.key.account, states=tuple(CarriageState)
            )

    def gas_of(self, signed: Signed) -> int | None:
        """What carrying it cost, as booked."""
        with self.db.unit() as unit:
            return queries.gas_of(unit.session, spend=signed.spend)

    def attempt_of(self, signed: Signed, now: datetime) -> AttemptRow:
        """The spend as an attempt of a withdrawal that there is not."""
        _, branch = self.clients[signed.client]
        return AttemptRow(
            id=f"att_{signed.spend}",
            withdrawal_id=f"wdr_{signed.spend}",
            sequence=1,
            chain=ANVIL.chain,
            vault_id=f"{self.keys.keyset.id}/{branch}",
            inputs=[],
            unsigned="",
            txid=signed.spend,
            fee_units=0,
            weight=0,
            pays=True,
            state="sent",
            final=signed.raw,
            composed_at=now,
        )

    def shown(self, signed: Signed) -> dict[str, Any]:
        """The attempt as callers see it."""
        with self.db.unit() as unit:
            attempt = spends.view(self.attempt_of(signed, unit.now))
            carried = queries.cost_of(unit.session, spend=signed.spend)
        return attempt_view(attempt, ANVIL.asset, carried)

    def receipt(self, txid: str) -> dict[str, Any] | None:
        """The node's, or None where it has none."""
        found: dict[str, Any] | None = self.anvil.rpc("eth_getTransactionReceipt", txid)
        return found

    def count(self) -> int:
        """How many transactions of the payer the chain has."""
        return int(self.anvil.rpc("eth_getTransactionCount", self.key.account, "latest"), 16)

    def balance(self, kind: str, owner: str = "house") -> int:
        """An account of the ledger, credit positive."""
        query = "SELECT coalesce(sum(balance), 0) FROM ledger_accounts WHERE kind = :kind AND owner = :owner"
        with self.db.unit() as unit:
            return int(unit.session.execute(text(query), {"kind": kind, "owner": owner}).scalar_one())

    def alarms(self, kind: str) -> int:
        """How many there are of a kind."""
        with self.db.unit() as unit:
            query = text("SELECT count(*) FROM alarms WHERE kind = :kind")
            return int(unit.session.execute(query, {"kind": kind}).scalar_one())

    def expect_payer_balanced(self) -> None:
        """Node, index and ledger say the same of the payer's place, from our table and from keysets."""
        for run in (reconcile, reconcile_ranged):
            done = run(self.node, self.db, chain=ANVIL.chain, assets={NATIVE}, start_height=0)
            found = [item.to_json() for item in done.breaks if item.vault.startswith("payer:")]
            assert not found, found

    def _lane(self) -> dict[str, Any]:
        return {
            "database": self.db,
            "node": self.node,
            "chain": ANVIL.chain,
            "payer_key": self.key,
            "rules": self.rules,
            "terms": TERMS,
            "wanted": everything,
        }


def everything(_session: Session, spends: Sequence[str]) -> frozenset[str]:
    """Whoever offered it wants it carried."""
    return frozenset(spends)


@dataclass
class WholeHouse(RelayHouse):
    """The same with a trust root, clients opened as policy asks, and their money deposited: every check can be asked.

    There is no withdrawal: ``owed`` sets aside what a spend pays, and ``paid`` settles it where the chain has it.
    """

    def found(self) -> RelayHouse:
        """Hold the ceremony, open the clients, let them deposit an ether each, and top the payer up."""
        for safe in self.safes.values():
            self.anvil.rpc("anvil_setBalance", safe, "0x0")
        with self.db.unit() as unit:
            root = _signed_root(self.keys, unit.now)
            trust.install(unit.session, signed=root, policy_text=DEMO_POLICY, actor="test", now=unit.now)
            vaults.register_keyset(
                unit.session, keyset=self.keys.keyset, consents=self.keys.consents, actor="test", now=unit.now
            )
        self.scan()
        for client, (segregation, branch) in self.clients.items():
            _open(self.db, self.keys.keyset.id, client, segregation, branch)
            vault = f"{self.keys.keyset.id}/{branch}"
            fill_stock(self.db, self.node, vault=vault, target=1, seal_key=SEAL)
            with self.db.unit() as unit:
                given = addresses.allocate(
                    unit.session, vault=vault, client=client, seal_key=SEAL, low_mark=0, actor="test", now=unit.now
                )
            assert given.address == self.safes[client]
            self.anvil.transact(given.address, ETHER)
        self.anvil.transact(self.key.account, self.funded_wei)
        self.anvil.mine(DEPTH)
        self.scan()
        return self

    def scan(self) -> None:
        """Read the chain to its tip, and take deposits up."""
        super().scan()
        with self.db.unit() as unit:
            deposits.advance(unit.session, chain=ANVIL.chain, config=DEPOSITS, actor="test", now=unit.now)

    def owed(self, signed: Signed, wei: int = 10**15) -> None:
        """Set aside what it pays, and note it as an attempt."""
        with self.db.unit() as unit:
            unit.session.add(self.attempt_of(signed, unit.now))
            ledger.hold(
                unit.session,
                hold_id=f"hold-{signed.spend}",
                client=signed.client,
                amount=Amount(NATIVE, wei),
                subject=signed.spend,
                actor="test",
                now=unit.now,
            )

    def paid(self, signed: Signed, wei: int = 10**15) -> None:
        """Settle it: exactly once did a movement of this spend take that out of the client's vault."""
        _, branch = self.clients[signed.client]
        vault = f"{self.keys.keyset.id}/{branch}"
        with self.db.unit() as unit:
            taken = [item.units for item in movements_of(unit.session, vault=vault) if item.spent_by == signed.spend]
            assert taken == [wei]
            ledger.settle_hold(
                unit.session,
                hold_id=f"hold-{signed.spend}",
                vault=vault,
                paid=Amount(NATIVE, wei),
                actor="test",
                now=unit.now,
            )

    def expect_whole(self) -> None:
        """Node, index and books agree everywhere, and every invariant a database can show holds."""
        for run in (reconcile, reconcile_ranged):
            done = run(self.node, self.db, chain=ANVIL.chain, assets={NATIVE}, start_height=0)
            assert done.is_balanced, done.to_json()
        oracle.expect_whole(self.db, terms={ANVIL.chain: TERMS}, deadlines={ANVIL.chain: DEADLINES})


def _signed_root(keys: SafeKeyset, now: datetime) -> SignedTrustRoot:
    people = {name: Person(name, (public_half(person_key(name), key_id(name)),)) for name in (*OPERATORS, "exchange")}
    root = TrustRoot(
        version=1,
        name="demo",
        created_at=now - timedelta(days=1),
        expires_at=now + timedelta(days=365),
        assets=(ANVIL.asset,),
        operators=tuple(people[name] for name in OPERATORS),
        requesters=(people["exchange"],),
        groups={"operators": OPERATORS},
        keysets=(keys.keyset,),
        policy_hash=document_hash(DEMO_POLICY),
    )
    message = bytes.fromhex(root.hash)
    signed = [sign_ed25519(person_key(name), key_id(name), message) for name in OPERATORS]
    signed += [
        Signature(each.name, coincurve.PrivateKey(each.secret).sign(message, hasher=None).hex())
        for each in keys.cosigners
    ]
    return SignedTrustRoot(root, tuple(signed))


def _open(db: Database, keyset: str, client: str, segregation: str, branch: int) -> None:
    with db.unit() as unit:
        request = ClientOpeningRequest(
            requester="exchange",
            client=client,
            name=client.title(),
            segregation=segregation,
            keyset=keyset,
            branch=branch,
            not_after=unit.now + timedelta(days=2),
            idempotency_key=f"open-{client}",
        )
        opening = openings.request_opening(
            unit.session,
            request=request,
            signature=sign_ed25519(person_key("exchange"), key_id("exchange"), request_message(request)),
            trust=trust.in_force(unit.session),
            now=unit.now,
        )
        said = approval("alice", opening.digest, given_at=unit.now, not_after=request.not_after)
        root = trust.in_force(unit.session).root
        approvals.give(
            unit.session, digest=opening.digest, approval=said, root=root, correlation_id="test", now=unit.now
        )
        openings.complete(unit.session, digest=opening.digest, now=unit.now)


def payee(name: str) -> str:
    """An address out of a name."""
    from eth_utils.address import to_checksum_address

    return to_checksum_address(hashlib.sha256(name.encode()).digest()[:20])


def expect_paid(house: RelayHouse, signed: Signed, *, times: int = 1) -> None:
    """The payee has it, as often as that."""
    assert house.anvil.balance_wei(payee(signed.client)) == times * 10**15
