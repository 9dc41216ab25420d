"""A house whose trust root holds two keysets of a chain: an older one that a cosigner leaves, and a later one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any

from custody.approvals import operations as approvals
from custody.chains.bitcoin.offline.descriptor import open_descriptor
from custody.cosigner.enrolment import key_record
from custody.evidence.intents import VaultName
from custody.evidence.keysets import Keyset, keyset_consent_message
from custody.evidence.requests import SweepRequest
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import SignedTrustRoot, TrustRoot
from custody.openings import operations as openings
from custody.trust import operations as trust
from custody.vaults import operations as vaults
from custody.withdrawals import operations as withdrawals
from custody.withdrawals.model import Withdrawal
from tests.cosigner.builders import DEMO_POLICY, REGTEST, World, cosigner_key, sign_root
from tests.support.road import Road

LATER = "kst_later"
NEWCOMER = "west"
SWEEPS = """
  - permit: leaving a keyset
    match: {kind: sweep, destination: own}
  - require: an operator leaves a keyset
    match: {kind: sweep}
    approvals: {operators: 1}
"""


@dataclass(frozen=True)
class RotatingWorld(World):
    """East leaves, west comes."""

    policy: str = DEMO_POLICY + SWEEPS

    @cached_property
    def later(self) -> Keyset:
        """The keyset that succeeds."""
        names = ("north", "south", NEWCOMER)
        keys = [cosigner_key(name).header.account_key for name in names]
        members = tuple(key_record(cosigner_key(name)).cosigner for name in names)
        return Keyset(LATER, REGTEST.chain, 2, members, open_descriptor(threshold=2, keys=keys))

    @cached_property
    def root(self) -> TrustRoot:
        """With both, oldest first."""
        base = World(policy=self.policy, now=self.now, expires_at=self.expires_at).root
        return replace(base, keysets=(*base.keysets, self.later))

    @cached_property
    def signed_root(self) -> SignedTrustRoot:
        """With the newcomer's signature too."""
        return sign_root(self.root, self.operators, (*self.cosigners, NEWCOMER))


def register_later(road: Road, world: RotatingWorld) -> None:
    """Store the later keyset with its cosigners' consents."""
    message = keyset_consent_message(world.later)
    consents = tuple(
        Signature(member.id, cosigner_key(member.id).sign_statement(message)) for member in world.later.cosigners
    )
    with road.db.unit() as unit:
        vaults.register_keyset(unit.session, keyset=world.later, consents=consents, actor="ceremony", now=unit.now)


def open_later(road: Road, client: str, *, branch: int, **changes: Any) -> str:
    """Give a client its vault of the later keyset, alice agreeing; returns the older one."""
    request = road.opening_request(client, branch=branch, keyset=LATER, idempotency_key=f"later-{client}", **changes)
    opening = road.request_opening(request)
    road.approve(opening.digest, "alice")
    with road.db.unit() as unit:
        openings.complete(unit.session, digest=opening.digest, now=unit.now)
    older, road.vaults[client] = road.vaults[client], f"{LATER}/{branch}"
    road.stock(road.vaults[client], 5)
    return older


def sweep(road: Road, client: str, amount_sat: int, *, out_of: str, **changes: Any) -> Withdrawal:
    """Bob asks that the client's money leaves its older vault, to the next address of its newest."""
    to = road.address(client)
    request = SweepRequest(
        requester="bob",
        client=client,
        asset=REGTEST.asset.id,
        amount=amount_sat,
        out_of=VaultName.parse(out_of, field="out_of"),
        to=VaultName.parse(to.vault, field="to"),
        index=to.index,
        destination=to.address,
        max_fee=20_000,
        purpose="east leaves",
        not_after=road.now() + timedelta(days=2),
        idempotency_key=f"sweep-{secrets.token_hex(8)}",
    )
    request = replace(request, **changes)
    with road.db.unit() as unit:
        return withdrawals.request_sweep(
            unit.session,
            request=request,
            signature=road.signed(request),
            trust=trust.in_force(unit.session),
            correlation_id="test",
            now=unit.now,
        ).withdrawal


__all__ = ["LATER", "RotatingWorld", "approvals", "open_later", "register_later", "sweep"]
