"""The whole road on a chain without coins, by direct calls: real Postgres, a real node, owners' keys held by the test.

Nobody relays by himself: ``carry`` is the world carrying out what was signed, which anybody can. ``settle`` does what
workers and cosigners do until nothing moves.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from custody.addresses import operations as addresses
from custody.addresses.stocking import fill_stock
from custody.approvals import operations as approvals
from custody.approvals import queries as intents
from custody.audit import queries as audit
from custody.chains import registry
from custody.chains.ethereum.adapter import EthereumAdapter
from custody.chains.ethereum.offline.address import checksum_address
from custody.chains.ethereum.offline.execution import execute
from custody.chains.ethereum.offline.signer import signature_over
from custody.chains.ethereum.spending import EthereumSpending
from custody.chains.ethereum.terms import EthereumTerms
from custody.chains.spending import Candidates, Plan, SpendRules, WouldFail
from custody.clients import operations as clients
from custody.db import Database
from custody.deposits import operations as deposits
from custody.deposits.model import AssetRules, DepositRules, Tier
from custody.evidence.bundle import Refusal
from custody.evidence.requests import (
    ClientOpeningRequest,
    Request,
    RespendRequest,
    WithdrawalRequest,
    request_message,
)
from custody.evidence.signatures import Signature, public_half, sign_ed25519
from custody.evidence.trust_root import Person, SignedTrustRoot, TrustRoot
from custody.kernel.errors import Conflict, CustodyError, Refused, Unavailable
from custody.kernel.money import Asset
from custody.ledger import queries as ledger
from custody.movements.scan import scan
from custody.openings import operations as openings
from custody.outbox import operations as outbox
from custody.outbox.operations import Message
from custody.reconciliation.effect import reconcile
from custody.reconciliation.stuck import Deadlines
from custody.signing import operations as signing
from custody.spends import queries as attempts
from custody.spends.model import Attempt
from custody.trust import operations as trust
from custody.vaults import operations as vaults
from custody.vaults import queries as vaults_queries
from custody.withdrawals import operations as withdrawals
from custody.withdrawals import queries
from custody.withdrawals.model import Step, Withdrawal
from custody.withdrawals.operations.respending import RespendRequested
from demo.evm.node import FAUCET
from demo.servers import Anvil
from policies.document import document_hash
from tests.chains.ethereum.conftest import ANVIL, NATIVE, adapter_for, token_id
from tests.cosigner.builders import approval, key_id, person_key
from tests.integration.vaults.safe_keysets import SafeKeyset, make_safe_keyset
from tests.support import oracle
from tests.support.evm import Contract
from tests.support.servers import FreshDatabase
from tests.support.status import STATUS_SERVICE

SEAL = b"\x09" * 32
DEPTH = 3
OPERATORS = ("alice", "bob", "carol")
POLICY = """\
policy: turns
version: 1
groups:
  operators: [alice, bob, carol]
rules:
  - permit: withdrawals of active clients
    match: {kind: withdrawal, destination: [listed, new, own], client.status: active}
  - permit: what may be signed may be given up
    match: {kind: respend}
  - require: an operator gives it up
    match: {kind: respend}
    approvals: {operators: 1}
  - permit: stopping
    match: {kind: freeze}
  - permit: starting again
    match: {kind: [unfreeze, break_resolution]}
  - require: two operators start again
    match: {kind: [unfreeze, break_resolution]}
    approvals: {operators: 2}
  - permit: new clients
    match: {kind: client_opening}
  - require: an operator opens a client
    match: {kind: client_opening}
    approvals: {operators: 1}
"""
ROUNDS = 40
SPENDING = EthereumSpending(ANVIL.chain)
TERMS = EthereumTerms(absolute_wei=10**17, rate_wei_gas=10**12, share_bps=10_000)
_PLACES = itertools.count(1)


def spending() -> EthereumSpending:
    """The chain's spends, as the registry has them now."""
    found = registry.spending(ANVIL.chain)
    assert isinstance(found, EthereumSpending)
    return found


def payee() -> str:
    """An address nobody was paid at before."""
    return checksum_address(secrets.token_bytes(20))


@dataclass
class Turns:
    """One house on one chain of accounts. ``tokens`` are registered under their own names."""

    database: FreshDatabase
    anvil: Anvil
    tokens: dict[str, tuple[Contract, int]] = field(default_factory=dict)
    """Code to contract and decimals."""
    vaults: dict[str, str] = field(default_factory=dict)
    at: dict[str, str] = field(default_factory=dict)
    """Client to its deposit address."""
    told: list[CustodyError] = field(default_factory=list)
    tries: list[str] = field(default_factory=list)
    """Spends that ``broadcast`` messages asked to have carried, in order."""
    keys: SafeKeyset = field(default_factory=lambda: make_safe_keyset())
    rules: SpendRules = field(init=False)

    def __post_init__(self) -> None:
        self.reader: EthereumAdapter = adapter_for(self.anvil, *(token for token, _ in self.tokens.values()))
        self.start = self.anvil.height()
        self.rules = SpendRules(terms=TERMS, coinbase_maturity=1, tiers=((None, DEPTH),))
        each = AssetRules((Tier(None, DEPTH),), dust_units=1, coinbase_maturity=1)
        self.deposit_rules = DepositRules({asset.id: each for asset in self.assets})
        with self.db.unit() as unit:
            trust.install(
                unit.session, signed=self._signed_root(unit.now), policy_text=POLICY, actor="ceremony", now=unit.now
            )
            vaults.register_keyset(
                unit.session, keyset=self.keys.keyset, consents=self.keys.consents, actor="ceremony", now=unit.now
            )

    @property
    def db(self) -> Database:
        """The application's database."""
        return self.database.db

    @property
    def assets(self) -> tuple[Asset, ...]:
        """Everything registered, the chain's own first."""
        tokens = [
            Asset(token_id(token), code, decimals, ANVIL.chain) for code, (token, decimals) in self.tokens.items()
        ]
        return (ANVIL.asset, *tokens)

    def asset(self, code: str) -> str:
        """The CAIP-19 id of a code."""
        return next(asset.id for asset in self.assets if asset.code == code)

    # What the outside does.

    def open(self, client: str, *, branch: int | None = None, segregation: str = "segregated") -> str:
        """Open a client and hand it its address; returns the address."""
        where = next(_PLACES) if branch is None else branch
        with self.db.unit() as unit:
            request = ClientOpeningRequest(
                requester="exchange",
                client=client,
                name=client.title(),
                segregation=segregation,
                keyset=self.keys.keyset.id,
                branch=where,
                not_after=unit.now + timedelta(days=1),
                idempotency_key=f"open-{client}",
            )
            asked = openings.request_opening(
                unit.session,
                request=request,
                signature=sign(request),
                trust=trust.in_force(unit.session),
                now=unit.now,
            )
        self.approve(asked.digest, "alice")
        with self.db.unit() as unit:
            openings.complete(unit.session, digest=asked.digest, now=unit.now)
        self.vaults[client] = f"{self.keys.keyset.id}/{where}"
        self.at[client] = self.address(client)
        return self.at[client]

    def address(self, client: str) -> str:
        """The client's next address."""
        fill_stock(self.db, self.reader, vault=self.vaults[client], target=1, seal_key=SEAL, kept_for=client)
        with self.db.unit() as unit:
            return addresses.allocate(
                unit.session,
                vault=self.vaults[client],
                client=client,
                seal_key=SEAL,
                low_mark=0,
                actor="test",
                now=unit.now,
            ).address

    def approve(self, digest: str, *people: str, verdict: str = "approve") -> None:
        """These people's verdicts."""
        for person in people:
            with self.db.unit() as unit:
                filed = intents.get(unit.session, digest=digest)
                said = approval(
                    person,
                    digest,
                    verdict=verdict,
                    given_at=unit.now,
                    not_after=min(filed.not_after, unit.now + timedelta(hours=1)),
                    nonce=secrets.token_hex(16),
                )
                root = trust.in_force(unit.session).root
                approvals.give(
                    unit.session, digest=digest, approval=said, root=root, correlation_id="test", now=unit.now
                )

    def fund(self, client: str, units: int, code: str = "ETH", *, address: str | None = None) -> None:
        """Pay the client and wait until it is credited."""
        to = address or self.at[client]
        if code == "ETH":
            self.anvil.transact(to, units)
        else:
            self.tokens[code][0].transact("transfer", to, units)
        self.mine(DEPTH)

    def withdrawal_request(self, client: str, units: int, code: str = "ETH", **changes: Any) -> WithdrawalRequest:
        """What the exchange asks for a withdrawal with."""
        with self.db.unit() as unit:
            request = WithdrawalRequest(
                requester="exchange",
                client=client,
                asset=self.asset(code),
                amount=units,
                destination=payee(),
                max_fee=10**16,
                purpose="withdrawal",
                not_after=unit.now + timedelta(days=1),
                idempotency_key=f"key-{secrets.token_hex(8)}",
            )
        return replace(request, **changes)

    def ask(self, client: str, units: int, code: str = "ETH", **changes: Any) -> Withdrawal:
        """Have the exchange ask for a withdrawal."""
        request = self.withdrawal_request(client, units, code, **changes)
        with self.db.unit() as unit:
            return withdrawals.request(
                unit.session,
                request=request,
                signature=sign(request),
                trust=trust.in_force(unit.session),
                correlation_id="test",
                now=unit.now,
            ).withdrawal

    def respend_request(self, asked: Withdrawal, **changes: Any) -> RespendRequest:
        """What asks to have a withdrawal given up."""
        with self.db.unit() as unit:
            request = RespendRequest(
                requester="exchange",
                client=asked.client,
                of=asked.digest,
                asset=asked.asset,
                amount=asked.units,
                max_fee=10**16,
                purpose="given up",
                not_after=unit.now + timedelta(days=1),
                idempotency_key=f"key-{secrets.token_hex(8)}",
            )
        return replace(request, **changes)

    def respend(self, asked: Withdrawal, *, approvers: Sequence[str] = ("alice",), **changes: Any) -> RespendRequested:
        """Ask to give a withdrawal up, and have people agree."""
        found = self.file_respend(self.respend_request(asked, **changes))
        self.approve(found.intent.digest, *approvers)
        return found

    def file_respend(self, request: RespendRequest) -> RespendRequested:
        """Ask, and nobody agrees yet."""
        with self.db.unit() as unit:
            return withdrawals.request_respend(
                unit.session,
                request=request,
                signature=sign(request),
                trust=trust.in_force(unit.session),
                correlation_id="test",
                now=unit.now,
            )

    def mine(self, blocks: int = 1) -> None:
        """Mine and follow; nobody signs."""
        self.anvil.mine(blocks)
        self.follow()

    def carry(self, attempt: Attempt, *, sender: str = FAUCET, gas: int | None = None) -> dict[str, Any]:
        """Carry a signed attempt out, deploying its account where it is not there; the receipt.

        Raises ``NodeRefused`` where it would fail, unless ``gas`` is given.
        """
        assert attempt.final is not None
        return self.carry_raw(attempt.final, sender=sender, gas=gas)

    def carry_raw(self, final: bytes, *, sender: str = FAUCET, gas: int | None = None) -> dict[str, Any]:
        """The same of bytes, as whoever got hold of them would."""
        execution = spending().read_execution(final)
        safe, safes = execution.attempt.safe, execution.safes
        if self.anvil.rpc("eth_getCode", safe, "latest") == "0x":
            self.anvil.transact(safes.code.factory, data=safes.create_calldata(execution.salt_nonce), sender=sender)
        call = execute(execution.signed)
        return self.anvil.transact(call.to, data=call.data, sender=sender, gas=gas)

    # What the daemon and the cosigners do.

    def scan(self) -> None:
        """Read to the tip."""
        where: dict[str, Any] = {
            "assets": self.deposit_rules.assets,
            "start_height": self.start,
            "finality": self.rules.finality,
        }
        while scan(self.reader, self.db, chain=ANVIL.chain, **where).more:
            pass

    def follow(self) -> list[str]:
        """Read to the tip and take up what was read; the withdrawals that moved."""
        self.scan()
        with self.db.unit() as unit:
            deposits.advance(unit.session, chain=ANVIL.chain, config=self.deposit_rules, actor="test", now=unit.now)
        return self.observe()

    def observe(self) -> list[str]:
        """Take up what was read of payments."""
        with self.db.unit() as unit:
            return withdrawals.observe(
                unit.session, chain=ANVIL.chain, rules=self.rules, correlation_id="test", now=unit.now
            )

    def cosign(self, *names: str, only: Callable[[str], bool] = lambda _unsigned: True) -> int:
        """Every named cosigner (else the first two) fetches and signs what it is given; how many signatures."""
        given = 0
        for cosigner in self.keys.cosigners:
            if cosigner.name not in (names or ("cosigner-1", "cosigner-2")):
                continue
            for document in self.give_out(cosigner.name):
                unsigned = next(document[key] for key in ("safe_tx", "psbt") if key in document)
                if only(unsigned):
                    self.sign(cosigner.name, document["id"], unsigned)
                    given += 1
        return given

    def give_out(self, cosigner: str) -> list[dict[str, Any]]:
        """What this cosigner is given: from now on it may have signed."""
        with self.db.unit() as unit:
            return signing.give_out(unit.session, cosigner=cosigner, keysets=[self.keys.keyset.id], now=unit.now)

    def sign(self, cosigner: str, bundle: str, unsigned: str) -> None:
        """One cosigner's answer."""
        with self.db.unit() as unit:
            answer = signing.add_signature(
                unit.session,
                bundle=bundle,
                cosigner=cosigner,
                signed=self.signature(cosigner, unsigned),
                correlation_id="test",
                now=unit.now,
            )
        assert answer.refused is None, answer

    def signature(self, cosigner: str, unsigned: str) -> str:
        """What this cosigner's key says to an unsigned attempt."""
        digest = bytes.fromhex(spending().payments_of(unsigned).spend[2:])
        found = next(item for item in self.keys.cosigners if item.name == cosigner)
        return "0x" + signature_over(digest, found.secret).hex()

    def refuse(self, cosigner: str) -> None:
        """Have this cosigner refuse all it is given."""
        for document in self.give_out(cosigner):
            with self.db.unit() as unit:
                row = unit.session.execute(text("SELECT digest FROM bundles WHERE id = :id"), {"id": document["id"]})
                refusal = Refusal(document["id"], row.scalar_one(), cosigner, "declined", "no", unit.now)
                signer = next(item for item in self.keys.cosigners if item.name == cosigner)
                said = signer.sign(refusal.message).signature
                signing.add_refusal(unit.session, refusal=refusal, signature=said, correlation_id="test", now=unit.now)

    def deliver(self, *, but: str = "") -> None:
        """Handle what is due in the outbox until nothing is, ``but`` for one topic. What must wait stays."""
        while messages := self._lease():
            for message in messages:
                if message.topic != but:
                    self._handle(message)

    def settle(self, *, cosigners: Sequence[str] = ("cosigner-1", "cosigner-2")) -> None:
        """Read, deliver and sign until nothing moves."""
        for _ in range(ROUNDS):
            before = self.head()
            self.follow()
            self.wake()
            self.deliver()
            if cosigners:
                self.cosign(*cosigners)
            if self.head() == before:
                return
        raise AssertionError(f"still moving after {ROUNDS} rounds")

    def carry_all(self) -> list[dict[str, Any]]:
        """Carry out everything that may be sent now, as a relayer does."""
        receipts = []
        for asked in self.withdrawals():
            for attempt in self.attempts(asked):
                with self.db.unit() as unit:
                    wanted = withdrawals.sendable(unit.session, attempt=attempt.id)
                if wanted is not None:
                    receipts.append(self.carry(wanted))
        return receipts

    def pay_out(self) -> None:
        """Everything that is wanted, to its end."""
        self.settle()
        self.carry_all()
        self.anvil.mine(DEPTH)
        self.settle()

    def wake(self) -> None:
        """Let time pass for whatever was postponed or leased: all of it is due."""
        with self.db.unit() as unit:
            unit.session.execute(
                text("UPDATE outbox SET due_at = created_at, leased_until = NULL WHERE done_at IS NULL")
            )

    def compose(self, withdrawal: str) -> None:
        """Plan on the node, and attach."""
        with self.db.unit() as unit:
            found = withdrawals.composable(unit.session, withdrawal=withdrawal, rules=self.rules)
        if found is None:
            return
        planned = self.reader.plan(found, rules=self.rules)
        self.attach(planned)

    def candidates(self, withdrawal: Withdrawal) -> Candidates:
        """What it may spend now."""
        with self.db.unit() as unit:
            found = withdrawals.composable(unit.session, withdrawal=withdrawal.id, rules=self.rules)
        assert found is not None
        return found

    def finished_elsewhere(self, withdrawal: Withdrawal) -> bytes:
        """A quorum signs its newest attempt and hands nothing in: the final bytes, as they would have them."""
        attempt = self.attempts(withdrawal)[-1]
        names = ("cosigner-1", "cosigner-2")
        for name in names:
            self.give_out(name)
        keyset = self.keys.keyset
        with self.db.unit() as unit:
            branch = vaults_queries.get(unit.session, vault=attempt.vault).branch
        return (
            spending()
            .finalise(
                {name: {"0": self.signature(name, attempt.unsigned)[2:]} for name in names},
                unsigned=attempt.unsigned,
                inputs=attempt.inputs,
                keyset=keyset,
                branch=branch,
            )
            .raw
        )

    def attach(self, planned: Plan) -> str:
        """Attach a plan; the withdrawal's state."""
        with self.db.unit() as unit:
            return str(
                withdrawals.compose(
                    unit.session,
                    planned=planned,
                    trust=trust.in_force(unit.session),
                    rules=self.rules,
                    seal_key=SEAL,
                    now=unit.now,
                )
            )

    # What can be seen.

    def head(self) -> int:
        """It grows with every change of state."""
        with self.db.unit() as unit:
            return audit.head(unit.session).sequence

    def see(self, withdrawal: Withdrawal) -> Withdrawal:
        """As it stands."""
        with self.db.unit() as unit:
            return queries.get(unit.session, withdrawal=withdrawal.id)

    def state(self, withdrawal: Withdrawal) -> str:
        """Its state, as text."""
        return str(self.see(withdrawal).state)

    def steps(self, withdrawal: Withdrawal) -> list[Step]:
        """The steps it took."""
        with self.db.unit() as unit:
            return queries.steps(unit.session, withdrawal=withdrawal.id)

    def withdrawals(self) -> list[Withdrawal]:
        """All of them."""
        with self.db.unit() as unit:
            return queries.every(unit.session)

    def attempts(self, withdrawal: Withdrawal) -> list[Attempt]:
        """Its attempts, in order."""
        with self.db.unit() as unit:
            return attempts.attempts(unit.session, withdrawal=withdrawal.id)

    def balance(self, client: str, code: str = "ETH") -> tuple[int, int]:
        """Available and held."""
        with self.db.unit() as unit:
            found = [item for item in ledger.balances(unit.session, client=client) if item.asset == self.asset(code)]
        return sum(item.available for item in found), sum(item.held for item in found)

    def received(self, withdrawal: Withdrawal) -> int:
        """What stands at its destination, as the node says."""
        if withdrawal.asset == NATIVE:
            return self.anvil.balance_wei(withdrawal.destination)
        token = next(item for item, _ in self.tokens.values() if token_id(item) == withdrawal.asset)
        return int(token.call("balanceOf", withdrawal.destination))

    def alarms(self) -> list[str]:
        """The kinds of all alarms, in order."""
        with self.db.unit() as unit:
            return [alarm.kind for alarm in audit.alarms(unit.session)]

    def rows(self, statement: str, **parameters: Any) -> list[Any]:
        """The rows of a query."""
        with self.db.unit() as unit:
            return list(unit.session.execute(text(statement), parameters).all())

    def freeze_client(self, client: str) -> None:
        """Freeze a client."""
        with self.db.unit() as unit:
            clients.freeze(unit.session, client=client, reason="test", actor="alice", now=unit.now)

    def expect_agreement(self) -> None:
        """Node, index and books say the same."""
        run = reconcile(
            self.reader, self.db, chain=ANVIL.chain, assets=self.deposit_rules.assets, start_height=self.start
        )
        assert run.is_balanced, run.to_json()

    def expect_whole(self) -> None:
        """Every invariant that a database can show holds."""
        deadlines = Deadlines(600, 600, 600, 600, 600, 600, 600)
        oracle.expect_whole(self.db, terms={ANVIL.chain: TERMS}, deadlines={ANVIL.chain: deadlines})

    def check(self) -> None:
        """The oracle: no break, every invariant holds, and exactly what was to be paid is on the chain."""
        self.expect_agreement()
        self.expect_whole()
        for asked in self.withdrawals():
            expected = asked.units if asked.state in ("completed", "confirmed") else 0
            assert self.received(asked) == expected, f"{asked.id} is {asked.state}"

    def _lease(self) -> list[Message]:
        with self.db.unit() as unit:
            return outbox.lease(unit.session, now=unit.now, length=timedelta(hours=1), limit=50)

    def _handle(self, message: Message) -> None:
        try:
            self._act(message)
        except (Unavailable, Conflict, Refused) as error:
            self.told.append(error)
            if error.retryable or isinstance(error, Refused):
                return
        with self.db.unit() as unit:
            outbox.finish(unit.session, message_id=message.id, now=unit.now)

    def _act(self, message: Message) -> None:
        payload = message.payload
        match message.topic:
            case "withdrawals.compose":
                try:
                    self.compose(payload["withdrawal"])
                except WouldFail as error:
                    with self.db.unit() as unit:
                        withdrawals.mark_unpayable(
                            unit.session, withdrawal=payload["withdrawal"], why=str(error), now=unit.now
                        )
            case "intents.approved" if payload["kind"] == "respend":
                with self.db.unit() as unit:
                    withdrawals.mark_respend_approved(
                        unit.session,
                        digest=payload["digest"],
                        trust=trust.in_force(unit.session),
                        correlation_id="test",
                        now=unit.now,
                    )
            case "signing.complete":
                with self.db.unit() as unit:
                    withdrawals.mark_signed(
                        unit.session, attempt=payload["attempt"], rules=self.rules, correlation_id="t", now=unit.now
                    )
            case "signing.refused":
                with self.db.unit() as unit:
                    withdrawals.mark_refused(unit.session, attempt=payload["attempt"], now=unit.now)
            case "withdrawals.broadcast":
                with self.db.unit() as unit:
                    found = withdrawals.sendable(unit.session, attempt=payload["attempt"])
                if found is not None:
                    self.tries.append(found.spend)
                    with self.db.unit() as unit:
                        withdrawals.mark_sent(
                            unit.session, attempt=found.id, outcome="handed to the relayer", now=unit.now
                        )

    def _signed_root(self, now: Any) -> SignedTrustRoot:
        root = TrustRoot(
            version=1,
            name="turns",
            created_at=now - timedelta(days=1),
            expires_at=now + timedelta(days=365),
            assets=self.assets,
            operators=tuple(_person(name) for name in OPERATORS),
            requesters=(_person("exchange"),),
            groups={"operators": OPERATORS},
            keysets=(self.keys.keyset,),
            services=(STATUS_SERVICE,),
            policy_hash=document_hash(POLICY),
        )
        message = bytes.fromhex(root.hash)
        people = [sign_ed25519(person_key(name), key_id(name), message) for name in OPERATORS]
        return SignedTrustRoot(root, (*people, *(item.sign(message) for item in self.keys.cosigners)))


def sign(request: Request) -> Signature:
    """The requester's signature."""
    return sign_ed25519(person_key(request.requester), key_id(request.requester), request_message(request))


def _person(name: str) -> Person:
    return Person(id=name, keys=(public_half(person_key(name), key_id(name)),))
