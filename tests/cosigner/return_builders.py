"""What came astray: ether and tokens at acme's Safe on a chain that Safe was not made for, and its way back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any

from custody.chains.ethereum.offline.erc20 import encode_transfer
from custody.chains.ethereum.offline.network import network
from custody.chains.ethereum.offline.safe_tx import SafeTx
from custody.chains.ethereum.offline.unsigned import UnsignedSafeTx
from custody.evidence.bundle import Bundle, Payment
from custody.evidence.intents import Intent, VaultName
from custody.evidence.requests import StrayReturnRequest
from custody.evidence.trust_root import TrustRoot
from policies.document import load_document
from policies.engine import evaluate
from policies.facts import Facts, nothing_used
from tests.cosigner.safe_builders import ETHER, SAFE_POLICY, SafeWorld, somebody, token_asset

ELSEWHERE = network("base-sepolia")
CAME = "0x" + "c4" * 32
RETURN_POLICY = SAFE_POLICY.replace(
    "  - permit: new clients",
    """  - permit: what came astray is sent on
    match: {kind: stray_return}
  - require: two operators send on what came astray
    match: {kind: stray_return}
    approvals: {operators: 2}
  - permit: new clients""",
)


@dataclass(frozen=True)
class AwayWorld(SafeWorld):
    """A world whose trust root registers the assets of a second chain, which has no keyset."""

    policy: str = RETURN_POLICY
    away_token: str = somebody("the token's contract elsewhere")

    @cached_property
    def root(self) -> TrustRoot:
        """Version 1, with the other chain's assets."""
        base = super().root
        there = token_asset(self.away_token, chain=ELSEWHERE.chain)
        return replace(base, assets=(*base.assets, ELSEWHERE.asset, there))

    def asked(self, **changes: Any) -> StrayReturnRequest:
        """The exchange wants one ether back that came astray."""
        request = StrayReturnRequest(
            requester="exchange",
            client="acme",
            txid=CAME,
            position=0,
            address=self.safe("acme"),
            asset=ELSEWHERE.asset.id,
            amount=ETHER,
            destination=somebody("who sent it"),
            purpose="sent on the wrong chain",
            not_after=self.now.replace(microsecond=0) + timedelta(days=2),
            idempotency_key="return-1",
        )
        return replace(request, **changes)

    def returning(
        self,
        request: StrayReturnRequest,
        *,
        approvers: Iterable[str] = ("alice", "bob"),
        chain: str = ELSEWHERE.chain,
    ) -> Payment:
        """The intent, signed and approved, with the daemon's decision."""
        proven = replace(self, chain=chain).prove(request, branch=7, approvers=approvers)
        assert proven.intent == Intent(request, chain, VaultName(self.vaults, 7))
        asset = self.root.asset(request.asset) or ELSEWHERE.asset
        facts = Facts(
            kind="stray_return",
            requester="exchange",
            now=self.now,
            client=request.client,
            client_status="active",
            segregation="segregated",
            asset=asset.code,
            decimals=asset.decimals,
            chain=chain,
            destination="new",
            destination_text=request.destination,
            amount_units=request.amount,
        )
        return Payment(proven, evaluate(load_document(self.policy), facts, nothing_used).to_json())

    def sending_on(self, request: StrayReturnRequest, *, nonce: int = 0, **fields: Any) -> UnsignedSafeTx:
        """What an honest daemon composes for it."""
        if request.asset == ELSEWHERE.asset.id:
            tx = SafeTx(to=request.destination, value=request.amount, data=b"", nonce=nonce)
        else:
            call = encode_transfer(request.destination, request.amount)
            tx = SafeTx(to=self.away_token, value=0, data=call, nonce=nonce)
        return UnsignedSafeTx(ELSEWHERE, self.safe("acme"), replace(tx, **fields))

    def back(
        self,
        request: StrayReturnRequest | None = None,
        *,
        unsigned: UnsignedSafeTx | None = None,
        nonce: int = 0,
        name: str = "bnd_1",
        **changes: Any,
    ) -> Bundle:
        """The plainest good bundle."""
        asked = request or self.asked()
        composed = unsigned or self.sending_on(asked, nonce=nonce)
        payments = changes.pop("payments", [self.returning(asked)])
        return self.safe_bundle(payments, composed, name=name, **{"chain": ELSEWHERE.chain, **changes})
