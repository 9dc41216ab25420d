"""A house that leaves a keyset: east goes and west comes, by a change of the rules that its people agreed to."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any

from custody.approvals.asking import Asked
from custody.chains.bitcoin.offline.descriptor import open_descriptor
from custody.changes import operations as changes
from custody.cosigner.enrolment import key_record
from custody.cosigner.keys import CosignerKey
from custody.evidence.intents import VaultName
from custody.evidence.keysets import Keyset, keyset_consent_message
from custody.evidence.proposals import Proposal
from custody.evidence.requests import KeysetChangeRequest, SweepRequest
from custody.evidence.signatures import Signature
from custody.openings import operations as openings
from custody.trust import operations as trust
from custody.withdrawals import operations as withdrawals
from custody.withdrawals.model import Withdrawal
from tests.cosigner.builders import DEMO_POLICY, REGTEST, World, cosigner_key
from tests.support.road import Road
from tests.support.versions import Versions, change_request
from tests.support.world import House

KeyOf = Callable[[str], CosignerKey]

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
    """Version 1, and the keyset that is going to succeed."""

    policy: str = DEMO_POLICY + SWEEPS

    @cached_property
    def later(self) -> Keyset:
        """Of north, south and the newcomer."""
        return keyset_of(("north", "south", NEWCOMER))


def keyset_of(names: Sequence[str]) -> Keyset:
    """Two of these, as the later keyset on Bitcoin."""
    keys = [cosigner_key(name).header.account_key for name in names]
    members = tuple(key_record(cosigner_key(name)).cosigner for name in names)
    return Keyset(LATER, REGTEST.chain, 2, members, open_descriptor(threshold=2, keys=keys))


def propose(house: House, keyset: Keyset, *, consents: int = 3, key_of: KeyOf = cosigner_key) -> Asked:
    """Alice proposes the version that adds ``keyset``; ``consents`` of its cosigners consented to it."""
    with house.db.unit() as unit:
        current = trust.in_force(unit.session)
        versions = Versions(house.ceremony, current.links, current.policy_text)
        new = versions.draft(now=unit.now, keysets=(*current.root.keysets, keyset))
        request = change_request(new, kind=KeysetChangeRequest, now=unit.now, subject=keyset.id)
        message = keyset_consent_message(keyset)
        proposal = Proposal(
            new,
            current.policy_text,
            signatures=_of_all(keyset, bytes.fromhex(new.hash), key_of),
            consents=_of_all(keyset, message, key_of)[:consents],
        )
        return changes.request(
            unit.session,
            request=request,
            signature=house.signed(request),
            attachments=proposal.to_json(),
            trust=current,
            now=unit.now,
        )


def succeed(house: House, keyset: Keyset, *, deliver: Callable[[], object], key_of: KeyOf = cosigner_key) -> None:
    """Propose it, and have the quorum of version 1 agree."""
    asked = propose(house, keyset, key_of=key_of)
    house.approve(asked.digest, "bob", "carol")
    deliver()
    with house.db.unit() as unit:
        root = trust.in_force(unit.session).root
    assert root.newest_keyset(keyset.chain) == keyset, "the later keyset is in force"


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


def sweep(house: House, client: str, units: int, *, out_of: str, **changes: Any) -> Withdrawal:
    """Bob asks that the client's money leaves its older vault, to the next address of its newest."""
    request = sweep_request(house, client, units, out_of=out_of, **changes)
    with house.db.unit() as unit:
        return withdrawals.request_sweep(
            unit.session,
            request=request,
            signature=house.signed(request),
            trust=trust.in_force(unit.session),
            correlation_id="test",
            now=unit.now,
        ).withdrawal


def sweep_request(house: House, client: str, units: int, *, out_of: str, **changes: Any) -> SweepRequest:
    """What bob asks for."""
    to = house.address(client)
    request = SweepRequest(
        requester="bob",
        client=client,
        asset=REGTEST.asset.id,
        amount=units,
        out_of=VaultName.parse(out_of, field="out_of"),
        to=VaultName.parse(to.vault, field="to"),
        index=to.index,
        destination=to.address,
        max_fee=20_000,
        purpose="east leaves",
        not_after=house.now() + timedelta(days=2),
        idempotency_key=f"sweep-{secrets.token_hex(8)}",
    )
    return replace(request, **changes)


def _of_all(keyset: Keyset, message: bytes, key_of: KeyOf) -> tuple[Signature, ...]:
    return tuple(Signature(member.id, key_of(member.id).sign_statement(message)) for member in keyset.cosigners)
