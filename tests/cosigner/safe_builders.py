"""The same world with a second chain: each cosigner has a key of its own for Safes, under a name of its own.

One trust root holds both keysets. ``SafeWorld`` pays on anvil's chain; it is a ``World``, so people, policy, openings
and the ceremony are the same. Tokens stand at made-up addresses unless a test deploys them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any

from custody.chains.ethereum.offline.address import checksum_address
from custody.chains.ethereum.offline.deployments import MULTI_SEND_CALL_ONLY
from custody.chains.ethereum.offline.descriptor import AccountKey, safe_descriptor
from custody.chains.ethereum.offline.effect import no_op
from custody.chains.ethereum.offline.erc20 import encode_transfer
from custody.chains.ethereum.offline.keccak import keccak
from custody.chains.ethereum.offline.multisend import Call, encode_multisend
from custody.chains.ethereum.offline.network import network
from custody.chains.ethereum.offline.proxy import Safes, SafeSetup, salt_nonce
from custody.chains.ethereum.offline.safe_tx import DELEGATE_CALL, SafeTx
from custody.chains.ethereum.offline.unsigned import UnsignedSafeTx
from custody.cosigner.enrolment import KeyRecord, key_record
from custody.cosigner.keys import CosignerKey
from custody.evidence.bundle import Bundle, Payment
from custody.evidence.keysets import Keyset
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import RespendRequest, WithdrawalRequest
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import SignedTrustRoot, TrustRoot
from custody.kernel.money import Asset
from policies.document import load_document
from policies.engine import evaluate
from policies.facts import Facts, nothing_used
from tests.cosigner.builders import DEMO_POLICY, NOW, World, cosigner_key, sign_root

ANVIL = network("anvil")
ETHER = 10**18
SAFES = "kst_safes"
NATIVE = ANVIL.asset
SAFE_POLICY = DEMO_POLICY.replace(
    "  - require: two operators above 0.05 BTC",
    """  - permit: ether of active clients
    match: {kind: withdrawal, destination: [listed, new], client.status: active}
    limit: {per: client, window: 24h, amount: "20 ETH"}
  - permit: tokens of active clients
    match: {kind: withdrawal, destination: [listed, new], client.status: active}
    limit: {per: client, window: 24h, amount: "50000 USDX"}
  - require: two operators above 5 ether
    match: {kind: withdrawal, amount: {above: "5 ETH"}}
    approvals: {operators: 2}
  - require: two operators above 0.05 BTC""",
)


def somebody(seed: str) -> str:
    """An account nobody here has the key of."""
    return checksum_address(keccak(seed.encode())[:20])


TOKEN = somebody("the token's contract")


def safe_key(name: str) -> CosignerKey:
    """An opened owner's key."""
    return cosigner_key(name, "", ANVIL.name)


def token_asset(contract: str = TOKEN, *, chain: str = ANVIL.chain) -> Asset:
    """A registered token of six decimals."""
    return Asset(f"{chain}/erc20:{contract}", "USDX", 6, chain)


@dataclass(frozen=True)
class SafeWorld(World):
    """A world that pays out of Safes."""

    policy: str = SAFE_POLICY
    me: str = "north-safe"
    chain: str = ANVIL.chain
    vaults: str = SAFES
    owners: tuple[str, ...] = ("north-safe", "south-safe", "east-safe")
    token: str = TOKEN
    """The registered token's contract."""

    @property
    def key(self) -> CosignerKey:
        """Our own key."""
        return safe_key(self.me)

    @cached_property
    def safe_records(self) -> tuple[KeyRecord, ...]:
        """Every owner's key record."""
        return tuple(key_record(safe_key(name)) for name in self.owners)

    @cached_property
    def safe_keyset(self) -> Keyset:
        """The owners, with what they sign."""
        return Keyset(
            id=SAFES,
            chain=ANVIL.chain,
            threshold=self.threshold,
            cosigners=tuple(record.cosigner for record in self.safe_records),
            descriptor=safe_descriptor(self.setup),
        )

    @property
    def setup(self) -> SafeSetup:
        """Owners and threshold of every Safe."""
        accounts = [safe_key(name).header.account_key for name in self.owners]
        return SafeSetup.of([one.address for one in accounts if isinstance(one, AccountKey)], self.threshold)

    @cached_property
    def root(self) -> TrustRoot:
        """Version 1, with both keysets."""
        base = World(policy=self.policy, expires_at=self.expires_at, threshold=self.threshold).root
        assets = (*base.assets, NATIVE, token_asset(self.token))
        return replace(base, assets=assets, keysets=(*base.keysets, self.safe_keyset))

    @cached_property
    def signed_root(self) -> SignedTrustRoot:
        """With the signatures of its ceremony."""
        return sign_safe_root(self.root, self)

    def safe(self, client: str, index: int = 0) -> str:
        """The address of a client's Safe."""
        salt = salt_nonce(keyset=SAFES, client=client, index=index, network=ANVIL)
        return Safes(self.setup).address(salt)

    def withdrawal(self, client: str, amount_sat: int, **changes: Any) -> WithdrawalRequest:
        """A request of the exchange, for ether unless told."""
        not_after = self.now.replace(microsecond=0) + timedelta(days=2)
        values = {"asset": NATIVE.id, "destination": somebody("payee"), "max_fee": 10**16, "not_after": not_after}
        return super().withdrawal(client, amount_sat, **{**values, **changes})

    def usdx(self, client: str, units: int, **changes: Any) -> WithdrawalRequest:
        """A request of the exchange for the token."""
        return self.withdrawal(client, units, asset=token_asset(self.token).id, **changes)

    def decision(self, request: WithdrawalRequest, *, segregation: str = "segregated", **told: Any) -> dict[str, Any]:
        """What an honest daemon stores."""
        asset = self.root.asset(request.asset)
        assert asset is not None
        values = {"asset": asset.code, "decimals": asset.decimals, **told}
        return super().decision(request, segregation=segregation, **values)

    def give_up(
        self, given_up: ProvenIntent, *, approvers: Iterable[str] = ("alice", "bob"), **changes: Any
    ) -> Payment:
        """The exchange gives a withdrawal up, and two operators agree."""
        request, branch = given_up.intent.request, given_up.intent.vault.branch
        assert isinstance(request, WithdrawalRequest)
        respend = RespendRequest(
            requester="exchange",
            client=request.client,
            of=given_up.intent.digest,
            asset=request.asset,
            amount=request.amount,
            max_fee=request.max_fee,
            purpose="given up",
            not_after=request.not_after,
            idempotency_key=f"give-up-{request.idempotency_key}",
        )
        proven = self.prove(replace(respend, **changes), branch=branch, approvers=approvers)
        asset = self.root.asset(request.asset)
        assert asset is not None
        facts = Facts(
            kind="respend",
            requester="exchange",
            now=self.now,
            client=request.client,
            client_status="active",
            segregation="segregated",
            asset=asset.code,
            decimals=asset.decimals,
            chain=self.chain,
            destination="own",
            destination_text=str(given_up.intent.vault),
            amount_units=request.amount,
            vault_break="none",
            books_age_seconds=60,
        )
        return Payment(proven, evaluate(load_document(self.policy), facts, nothing_used).to_json())

    def composed(
        self, payments: Sequence[Payment], *, client: str = "acme", nonce: int = 0, index: int = 0, **fields: Any
    ) -> UnsignedSafeTx:
        """What an honest daemon composes for these payments; ``fields`` are then changed behind everybody's back."""
        calls = [self.call(payment) for payment in payments]
        if any(isinstance(payment.proven.intent.request, RespendRequest) for payment in payments):
            tx = no_op(safe=self.safe(client, index), nonce=nonce)
        elif len(calls) == 1:
            tx = SafeTx(to=calls[0].to, value=calls[0].value, data=calls[0].data, nonce=nonce)
        else:
            tx = batch(calls, nonce=nonce)
        return UnsignedSafeTx(ANVIL, self.safe(client, index), replace(tx, **fields))

    def call(self, payment: Payment) -> Call:
        """The call that makes a payment."""
        request = payment.proven.intent.request
        if not isinstance(request, WithdrawalRequest):
            return Call(somebody("nobody"), 0, b"")
        if request.asset == NATIVE.id:
            return Call(request.destination, request.amount, b"")
        return Call(self.token, 0, encode_transfer(request.destination, request.amount))

    def paying(
        self,
        request: WithdrawalRequest,
        *,
        name: str = "bnd_1",
        nonce: int = 0,
        approvers: Iterable[str] = (),
        **fields: Any,
    ) -> Bundle:
        """A bundle with one payment of client ``acme`` (branch 7), by its Safe."""
        payment = self.payment(request, branch=7, approvers=approvers)
        unsigned = self.composed([payment], nonce=nonce, **fields)
        return self.safe_bundle([payment], unsigned, name=name)

    def ether(self, amount: int = ETHER, **options: Any) -> Bundle:
        """``acme`` pays one ether."""
        return self.paying(self.withdrawal("acme", amount), **options)

    def safe_bundle(
        self, payments: Sequence[Payment], unsigned: UnsignedSafeTx | str, *, name: str = "bnd_1", **changes: Any
    ) -> Bundle:
        """A bundle of ``acme``'s vault, made just now."""
        text = unsigned if isinstance(unsigned, str) else unsigned.text
        openings = changes.pop("openings", [self.opening("acme", 7)])
        return replace(self.bundle(payments, openings, text, name=name), **changes)


def batch(calls: Sequence[Call], *, nonce: int) -> SafeTx:
    """One batch through the pinned contract."""
    to = MULTI_SEND_CALL_ONLY.address
    return SafeTx(to=to, value=0, data=encode_multisend(calls), operation=DELEGATE_CALL, nonce=nonce)


def sign_safe_root(root: TrustRoot, world: SafeWorld) -> SignedTrustRoot:
    """The ceremony with the owners in it."""
    signed = sign_root(root, world.operators, world.cosigners)
    message = bytes.fromhex(root.hash)
    keys = {safe_key(name).public_key: safe_key(name) for name in world.owners}
    members = [member for keyset in root.keysets if keyset.id == SAFES for member in keyset.cosigners]
    owners = [Signature(member.id, keys[member.public_key].sign_statement(message)) for member in members]
    return SignedTrustRoot(root, (*signed.signatures, *owners))


__all__ = ["ANVIL", "ETHER", "NATIVE", "NOW", "SAFES", "TOKEN", "SafeWorld", "batch", "safe_key", "somebody"]
