"""A house with two chains and a token, without nodes: one client on coins, one on accounts, money credited."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import coincurve

from custody.addresses import operations as addresses
from custody.addresses.model import derive
from custody.bootstrap import with_registered
from custody.chains.ethereum.offline.address import checksum_address
from custody.evidence.requests import WithdrawalRequest
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import SignedTrustRoot, TrustRoot
from custody.kernel.money import Amount, Asset
from custody.ledger import operations as ledger
from custody.openings import operations as openings
from custody.vaults import operations as vaults
from policies.document import document_hash
from tests.cosigner.builders import World, sign_root
from tests.integration.vaults.safe_keysets import ANVIL, SafeKeyset, make_safe_keyset
from tests.support.servers import FreshDatabase
from tests.support.world import SILENT_NODE, House

ETHER = 10**18
CONTRACT = checksum_address(bytes.fromhex("5b" * 20))
TOKEN = Asset(f"{ANVIL.chain}/erc20:{CONTRACT}", "TST", 6, ANVIL.chain)
LIST = f"""
[[asset]]
id = "{TOKEN.id}"
code = "{TOKEN.code}"
decimals = {TOKEN.decimals}
dust_units = 10
tier = [{{ confirmations = 2 }}]
"""
POLICY = """\
policy: several
version: 1
groups:
  operators: [alice, bob, carol]
rules:
  - permit: withdrawals of active clients
    match: {kind: withdrawal, destination: [listed, new], client.status: active}
  - permit: new clients
    match: {kind: client_opening}
  - require: an operator opens a client
    match: {kind: client_opening}
    approvals: {operators: 1}
"""


@dataclass(frozen=True)
class TwoChains(World):
    """The usual world with a keyset of accounts beside its own, and two more assets."""

    policy: str = POLICY
    safes: SafeKeyset = field(default_factory=make_safe_keyset)

    @cached_property
    def root(self) -> TrustRoot:
        """Version 1."""
        mine = super().root
        return TrustRoot(
            version=1,
            name=mine.name,
            created_at=mine.created_at,
            expires_at=mine.expires_at,
            assets=(*mine.assets, ANVIL.asset, TOKEN),
            operators=mine.operators,
            requesters=mine.requesters,
            groups=mine.groups,
            keysets=(*mine.keysets, self.safes.keyset),
            policy_hash=document_hash(self.policy),
            services=mine.services,
        )

    @cached_property
    def signed_root(self) -> SignedTrustRoot:
        """Signed by both keysets' cosigners."""
        signed = sign_root(self.root, self.operators, self.cosigners)
        message = bytes.fromhex(self.root.hash)
        more = [
            Signature(each.name, coincurve.PrivateKey(each.secret).sign(message, hasher=None).hex())
            for each in self.safes.cosigners
        ]
        return SignedTrustRoot(self.root, (*signed.signatures, *more))


class Several(House):
    """``Several.stand(database, folder)``."""

    @classmethod
    def stand(cls, database: FreshDatabase, folder: Path, *, funded: bool = True, **settings: Any) -> Several:
        """Hold the ceremony; open ``acme`` on coins and ``birch`` on accounts, with money in the ledger alone."""
        (folder / "assets.toml").write_text(LIST)
        world = TwoChains(expires_at=World().expires_at)
        chosen = {
            "network": "",
            "chains": "regtest,anvil",
            "anvil_rpc_url": SILENT_NODE,
            "assets_file": folder / "assets.toml",
            **settings,
        }
        house = cast("Several", cls.found(database, ceremony=world, **chosen))
        with house.db.unit() as unit:
            vaults.register_keyset(
                unit.session, keyset=world.safes.keyset, consents=world.safes.consents, actor="ceremony", now=unit.now
            )
        house.runtime = with_registered(house.runtime)
        house.open_client("acme", branch=1)
        house.open_on_accounts("birch", branch=1)
        if not funded:
            return house
        house.credit("acme", 10**8)
        house.credit_asset("birch", ANVIL.asset.id, 5 * ETHER)
        house.credit_asset("birch", TOKEN.id, 2_500_000)
        return house

    def open_on_accounts(self, client: str, *, branch: int) -> None:
        """Open a client on the chain of accounts, with one address in stock."""
        keyset = self.ceremony.safes.keyset.id  # type: ignore[attr-defined]
        opening = self.request_opening(self.opening_request(client, branch=branch, keyset=keyset))
        self.approve(opening.digest, "alice")
        with self.db.unit() as unit:
            openings.complete(unit.session, digest=opening.digest, now=unit.now)
        self.vaults[client] = f"{keyset}/{branch}"
        where = {"vault": self.vaults[client], "seal_key": self.runtime.seal_key, "kept_for": client}
        with self.db.unit() as unit:
            plan = addresses.plan_stock(unit.session, change=False, target=1, **where)
        assert plan is not None
        derived = derive(plan)
        with self.db.unit() as unit:
            addresses.store(unit.session, plan=plan, derived=derived, seal_key=self.runtime.seal_key, now=unit.now)

    def credit_asset(self, client: str, asset: str, units: int) -> None:
        """Book a deposit in the ledger alone."""
        with self.db.unit() as unit:
            ledger.credit_deposit(
                unit.session,
                deposit_id=f"dep_{secrets.token_hex(8)}",
                client=client,
                vault=self.vaults[client],
                amount=Amount(asset, units),
                actor="test",
                now=unit.now,
            )

    def asked(self, **changes: Any) -> WithdrawalRequest:
        """What the exchange asks to have paid to somebody, out of birch's ether unless told."""
        return WithdrawalRequest(
            **{
                "requester": "exchange",
                "client": "birch",
                "asset": ANVIL.asset.id,
                "amount": ETHER,
                "destination": checksum_address(secrets.token_bytes(20)),
                "max_fee": ETHER // 100,
                "purpose": "withdrawal",
                "not_after": self.now() + timedelta(days=2),
                "idempotency_key": f"key-{secrets.token_hex(8)}",
                **changes,
            }
        )
