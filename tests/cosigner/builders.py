"""A whole world in memory: three cosigners, operators, a requester, a trust root, clients, coins, bundles.

Everything is real but the coins' previous transactions, which pay the vault and exist nowhere else. Keys come from
fixed words and seeds, so a world is the same in every run; ``NOW`` is every clock's default.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from embit import bip39

from custody.chains.bitcoin.offline.address import address_of, parse_address
from custody.chains.bitcoin.offline.descriptor import BranchDescriptor, open_descriptor
from custody.chains.bitcoin.offline.network import network
from custody.chains.bitcoin.offline.psbt import PayOutput, Psbt, SpendInput, compose, parse_psbt
from custody.chains.bitcoin.offline.psbt.maps import GLOBAL_UNSIGNED, key_of
from custody.chains.bitcoin.offline.transaction import Transaction, TransactionInput, TransactionOutput
from custody.cosigner.craft import Myself
from custody.cosigner.enrolment import KeyRecord, key_record, myself
from custody.cosigner.keys import CosignerKey, create_key, open_key
from custody.cosigner.limits import Limits
from custody.cosigner.memory import Memory
from custody.cosigner.networks import network_named
from custody.cosigner.standing import PinnedRoot
from custody.cosigner.verify import Verdict, verify
from custody.evidence.approvals import Approval, Statement
from custody.evidence.bundle import Bundle, Payment
from custody.evidence.intents import Intent, VaultName
from custody.evidence.keysets import BRANCHES, Keyset
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import ClientOpeningRequest, Request, WithdrawalRequest, request_message
from custody.evidence.signatures import Signature, public_half, sign_ed25519
from custody.evidence.status import SignedStatus
from custody.evidence.trust_root import Person, Service, SignedTrustRoot, TrustRoot
from policies.document import document_hash, load_document
from policies.engine import evaluate
from policies.facts import Facts, nothing_used
from tests.support.status import STATUS_SERVICE, status_of

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
REGTEST = network("regtest")
PASSPHRASE = "correct horse battery staple"
DEMO_POLICY = (Path(__file__).parents[2] / "policies/documents/demo.yaml").read_text()
DELAYED = DEMO_POLICY.replace(
    "approvals: {operators: 2}\n  - forbid: more", "approvals: {operators: 2}\n    delay: 1h\n  - forbid: more"
)
"""The demo's policy, where a large payment also waits for an hour."""
BTC = 100_000_000
KEYSET = "kst_demo"


def words_of(seed: str) -> str:
    """24 words that are the same in every run."""
    words: str = bip39.mnemonic_from_bytes(hashlib.sha256(seed.encode()).digest())
    return words


KEPT_ELSEWHERE: dict[str, CosignerKey] = {}
"""Keys that no file of ours holds, by their cosigner's name: a test puts those of its tokens here."""


def cosigner_key(name: str, seed: str = "", on: str = "regtest") -> CosignerKey:
    """An opened cosigner's key."""
    return KEPT_ELSEWHERE.get(name) or _key_of_file(name, seed, on)


@cache
def _key_of_file(name: str, seed: str, on: str) -> CosignerKey:
    return open_key(stored_key(name, seed, on), passphrase=PASSPHRASE)


@cache
def stored_key(name: str, seed: str = "", on: str = "regtest") -> dict[str, Any]:
    """A cosigner's key file, for a network."""
    return create_key(
        name=name,
        network=network_named(on),
        passphrase=PASSPHRASE,
        mnemonic=words_of(seed or name),
        log2n=12,
        keep_backup=lambda _words: None,
    )


def person_key(name: str) -> Ed25519PrivateKey:
    """An operator's or requester's key."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"person {name}".encode()).digest())


def key_id(name: str) -> str:
    """The id that key is pinned under."""
    return f"{name}-1"


def address(seed: str) -> str:
    """Somebody else's P2WPKH address."""
    return address_of(b"\x00\x14" + hashlib.sha256(seed.encode()).digest()[:20], REGTEST)


@dataclass(frozen=True)
class Coin:
    """An output of a vault, with the transaction that made it."""

    descriptor: BranchDescriptor
    change: bool
    index: int
    amount_sat: int
    previous: Transaction
    vout: int

    @property
    def spend(self) -> SpendInput:
        """As ``compose`` takes it."""
        return SpendInput(
            txid=self.previous.txid,
            vout=self.vout,
            amount_sat=self.amount_sat,
            previous_transaction=self.previous.raw,
            descriptor=self.descriptor,
            change=self.change,
            index=self.index,
        )


@dataclass(frozen=True)
class World:
    """One trust root and everybody in it. Frozen: variations are made with ``dataclasses.replace``."""

    policy: str = DEMO_POLICY
    cosigners: tuple[str, ...] = ("north", "south", "east")
    threshold: int = 2
    operators: tuple[str, ...] = ("alice", "bob", "carol")
    requesters: tuple[str, ...] = ("exchange",)
    groups: tuple[tuple[str, tuple[str, ...]], ...] = (("operators", ("alice", "bob", "carol")),)
    expires_at: datetime = datetime(2100, 1, 1, tzinfo=UTC)
    now: datetime = NOW
    me: str = "north"
    layout: str = BRANCHES
    chain: str = REGTEST.chain
    """Where it pays."""
    vaults: str = KEYSET
    """The keyset it pays out of."""
    services: tuple[Service, ...] = ()
    """What states prices and the like."""

    @property
    def key(self) -> CosignerKey:
        """Our own key."""
        return cosigner_key(self.me)

    @property
    def myself(self) -> Myself:
        """Who we sign as."""
        return myself(self.key)

    @cached_property
    def records(self) -> tuple[KeyRecord, ...]:
        """Every cosigner's key record."""
        return tuple(key_record(cosigner_key(name)) for name in self.cosigners)

    @cached_property
    def keyset(self) -> Keyset:
        """The keyset, with its open descriptor."""
        keys = [cosigner_key(name).header.account_key for name in self.cosigners]
        return Keyset(
            id=KEYSET,
            chain=REGTEST.chain,
            threshold=self.threshold,
            cosigners=tuple(record.cosigner for record in self.records),
            descriptor=open_descriptor(threshold=self.threshold, keys=keys, layout=self.layout),
            layout=self.layout,
        )

    @cached_property
    def root(self) -> TrustRoot:
        """Version 1."""
        return TrustRoot(
            version=1,
            name="demo",
            created_at=NOW - timedelta(days=1),
            expires_at=self.expires_at,
            assets=(REGTEST.asset,),
            operators=tuple(_person(name) for name in self.operators),
            requesters=tuple(_person(name) for name in self.requesters),
            groups=dict(self.groups),
            keysets=(self.keyset,),
            policy_hash=document_hash(self.policy),
            services=(STATUS_SERVICE, *self.services),
        )

    @cached_property
    def signed_root(self) -> SignedTrustRoot:
        """With the signatures of its ceremony."""
        return sign_root(self.root, self.operators, self.cosigners)

    @property
    def pinned(self) -> PinnedRoot:
        """Pinned as it is."""
        return PinnedRoot(self.root.hash, NOW)

    def branch(self, number: int) -> BranchDescriptor:
        """One vault's descriptor."""
        keys = tuple(cosigner_key(name).header.account_key for name in self.cosigners)
        return BranchDescriptor(self.threshold, keys, number, REGTEST, self.layout)

    def coin(self, branch: int, amount_sat: int, *, index: int = 0, change: bool = False, salt: str = "") -> Coin:
        """A coin of the vault; ``salt`` tells coins of one address apart."""
        descriptor = self.branch(branch)
        script = descriptor.derive(change=change, index=index).script_pubkey
        origin = hashlib.sha256(f"{branch}/{change}/{index}/{salt}".encode()).hexdigest()
        outputs = (TransactionOutput(5_000, b"\x00\x14" + bytes(20)), TransactionOutput(amount_sat, script))
        previous = Transaction(2, (TransactionInput(origin, 0, b"", 0xFFFFFFFF),), outputs, 0)
        return Coin(descriptor, change, index, amount_sat, previous, 1)

    def prove(
        self,
        request: Request,
        *,
        branch: int,
        approvers: Iterable[str] = (),
        rejecters: Iterable[str] = (),
        signer: str | None = None,
        given_at: datetime | None = None,
    ) -> ProvenIntent:
        """The intent of ``request``, signed by its requester and approved."""
        intent = Intent(request=request, chain=self.chain, vault=VaultName(self.vaults, branch))
        author = signer or request.requester
        said = [(name, "approve") for name in approvers] + [(name, "reject") for name in rejecters]
        return ProvenIntent(
            intent=intent,
            request_signature=sign_ed25519(person_key(author), key_id(author), request_message(request)),
            approvals=tuple(
                approval(
                    name, intent.digest, verdict=verdict, given_at=given_at or self.now, not_after=request.not_after
                )
                for name, verdict in said
            ),
        )

    def opening(
        self,
        client: str,
        branch: int,
        *,
        segregation: str = "segregated",
        approvers: Iterable[str] = ("alice",),
        **changes: Any,
    ) -> ProvenIntent:
        """A proved client opening, of a week ago."""
        week_ago = NOW - timedelta(days=7)
        request = ClientOpeningRequest(
            requester="exchange",
            client=client,
            name=client.title(),
            segregation=segregation,
            keyset=self.vaults,
            branch=branch,
            not_after=week_ago + timedelta(days=1),
            idempotency_key=f"open-{client}",
        )
        return self.prove(replace(request, **changes), branch=branch, approvers=approvers, given_at=week_ago)

    def withdrawal(self, client: str, amount_sat: int, **changes: Any) -> WithdrawalRequest:
        """A request of the exchange."""
        request = WithdrawalRequest(
            requester="exchange",
            client=client,
            asset=REGTEST.asset.id,
            amount=amount_sat,
            destination=address("somebody"),
            max_fee=20_000,
            purpose="withdrawal",
            not_after=NOW + timedelta(days=2),
            idempotency_key=f"pay-{client}-{amount_sat}",
        )
        return replace(request, **changes)

    def payment(
        self,
        request: WithdrawalRequest,
        *,
        branch: int,
        approvers: Iterable[str] = (),
        rejecters: Iterable[str] = (),
        segregation: str = "segregated",
        **told: Any,
    ) -> Payment:
        """A proved payment with the daemon's decision on it; ``told`` are facts that only the daemon states."""
        proven = self.prove(request, branch=branch, approvers=approvers, rejecters=rejecters)
        return Payment(proven, self.decision(request, segregation=segregation, **told))

    def decision(self, request: WithdrawalRequest, *, segregation: str = "segregated", **told: Any) -> dict[str, Any]:
        """What an honest daemon stores."""
        facts = Facts(
            **{
                "kind": "withdrawal",
                "requester": request.requester,
                "now": self.now,
                "client": request.client,
                "client_status": "active",
                "segregation": segregation,
                "asset": "BTC",
                "decimals": 8,
                "chain": self.chain,
                "destination": "new",
                "destination_text": request.destination,
                "amount_units": request.amount,
                "vault_break": "none",
                "books_age_seconds": 60,
                **told,
            }
        )
        return evaluate(load_document(self.policy), facts, nothing_used).to_json()

    def transaction(
        self, payments: Sequence[Payment], coins: Sequence[Coin], *, fee_sat: int, change_index: int = 0
    ) -> Psbt:
        """What an honest daemon composes: payments in order, change last."""
        outputs = [_output(payment.proven.intent.request) for payment in payments]
        rest = sum(coin.amount_sat for coin in coins) - sum(output.amount_sat for output in outputs) - fee_sat
        if rest:
            descriptor = coins[0].descriptor
            script = descriptor.derive(change=True, index=change_index).script_pubkey
            outputs.append(PayOutput(script, rest, (descriptor, change_index)))
        return compose(inputs=[coin.spend for coin in coins], outputs=outputs, network=REGTEST)

    def bundle(
        self,
        payments: Sequence[Payment],
        openings: Sequence[ProvenIntent],
        psbt: Psbt | str,
        *,
        name: str = "bnd_1",
        **changes: Any,
    ) -> Bundle:
        """A bundle made just now."""
        bundle = Bundle(
            id=name,
            chain=self.chain,
            attempt=f"att_{name}",
            created_at=self.now,
            not_after=self.now + timedelta(hours=12),
            unsigned=psbt if isinstance(psbt, str) else psbt.base64,
            payments=tuple(payments),
            openings=tuple(openings),
            policy=self.policy,
            trust_root=self.signed_root,
            status=self.status(),
        )
        return replace(bundle, **changes)

    def status(self, **changes: Any) -> SignedStatus:
        """What the status service says now: nothing was taken back, unless told."""
        return status_of(self.root, **{"now": self.now, **changes})

    def small(self, *, name: str = "bnd_1", **changes: Any) -> Bundle:
        """The plainest good bundle: client ``acme`` (branch 7) pays 0.02 BTC, no people needed."""
        payment = self.payment(self.withdrawal("acme", 2_000_000), branch=7)
        psbt = self.transaction([payment], [self.coin(7, 10_000_000)], fee_sat=3_000)
        return replace(self.bundle([payment], [self.opening("acme", 7)], psbt, name=name), **changes)

    def large(self, *, approvers: Iterable[str] = ("alice", "bob"), rejecters: Iterable[str] = ()) -> Bundle:
        """Client ``acme`` pays 0.5 BTC, which two operators approved."""
        request = self.withdrawal("acme", BTC // 2)
        payment = self.payment(request, branch=7, approvers=approvers, rejecters=rejecters)
        psbt = self.transaction([payment], [self.coin(7, BTC)], fee_sat=3_000)
        return self.bundle([payment], [self.opening("acme", 7)], psbt)

    def judge(
        self, bundle: Bundle, memory: Memory, *, limits: Limits | None = None, now: datetime | None = None
    ) -> Verdict:
        """Verify as this world's cosigner."""
        return verify(
            bundle,
            pinned=self.pinned,
            memory=memory,
            limits=limits or Limits(),
            me=self.myself,
            now=now or self.now,
        )


def approval(
    name: str,
    digest: str,
    *,
    verdict: str = "approve",
    given_at: datetime = NOW,
    not_after: datetime | None = None,
    nonce: str | None = None,
) -> Approval:
    """One person's signed statement."""
    seed = f"{name} {digest} {verdict} {given_at}"
    statement = Statement(
        digest=digest,
        verdict=verdict,
        approver=name,
        nonce=nonce or hashlib.sha256(seed.encode()).hexdigest()[:32],
        given_at=given_at,
        not_after=given_at + timedelta(days=1) if not_after is None else not_after,
    )
    return Approval(statement, sign_ed25519(person_key(name), key_id(name), statement.message))


def sign_root(root: TrustRoot, operators: Iterable[str], cosigners: Iterable[str]) -> SignedTrustRoot:
    """The ceremony: everybody signs the hash."""
    message = bytes.fromhex(root.hash)
    people = [sign_ed25519(person_key(name), key_id(name), message) for name in operators]
    keys = [Signature(name, cosigner_key(name).sign_statement(message)) for name in cosigners]
    return SignedTrustRoot(root, (*people, *keys))


def remember(memory: Memory, verdict: Verdict) -> None:
    """As if the verdict had been signed."""
    with memory.exclusive():
        memory.record_signature(verdict.memory, openings=verdict.openings, nonces=verdict.nonces, answer="answer")


def tamper(
    psbt: Psbt | str,
    *,
    transaction: Callable[[Transaction], Transaction] = lambda found: found,
    inputs: Callable[[int, dict[bytes, bytes]], Mapping[bytes, bytes]] = lambda _place, fields: fields,
    outputs: Callable[[int, dict[bytes, bytes]], Mapping[bytes, bytes]] = lambda _place, fields: fields,
) -> str:
    """A PSBT with its transaction or fields changed behind everybody's back, as base64.

    Maps stay beside the input or output they were written for; new outputs get empty ones.
    """
    found = parse_psbt(psbt) if isinstance(psbt, str) else psbt
    unsigned = transaction(found.maps.unsigned)
    of_outputs = [dict(fields) for fields in found.maps.outputs]
    of_outputs += [{} for _ in range(len(unsigned.outputs) - len(of_outputs))]
    changed = replace(
        found.maps,
        unsigned=unsigned,
        shared={**found.maps.shared, key_of(GLOBAL_UNSIGNED): unsigned.stripped},
        inputs=tuple(inputs(place, dict(fields)) for place, fields in enumerate(found.maps.inputs)),
        outputs=tuple(outputs(place, fields) for place, fields in enumerate(of_outputs[: len(unsigned.outputs)])),
    )
    return Psbt(changed).base64


def _person(name: str) -> Person:
    return Person(id=name, keys=(public_half(person_key(name), key_id(name)),))


def _output(request: Request) -> PayOutput:
    assert isinstance(request, WithdrawalRequest)
    script = parse_address(request.destination, network=REGTEST).script_pubkey
    return PayOutput(script, request.amount)
