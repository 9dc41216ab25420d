"""A client's money moves from a keyset that is being left to that client's vault of a later one, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from custody.chains.bitcoin.offline.address import address_of, parse_address
from custody.chains.bitcoin.offline.descriptor import BranchDescriptor, open_descriptor
from custody.chains.bitcoin.offline.psbt.composing import PayOutput, compose
from custody.chains.ethereum.offline.descriptor import AccountKey, safe_descriptor
from custody.chains.ethereum.offline.proxy import Safes, SafeSetup, salt_nonce
from custody.chains.ethereum.offline.safe_tx import SafeTx
from custody.chains.ethereum.offline.unsigned import UnsignedSafeTx
from custody.cosigner.enrolment import key_record
from custody.cosigner.limits import Limits
from custody.cosigner.memory import Memory
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.evidence.bundle import Bundle, Payment
from custody.evidence.intents import VaultName
from custody.evidence.keysets import BRANCHES, POLICY, Keyset
from custody.evidence.requests import SweepRequest
from custody.evidence.signatures import Signature
from custody.evidence.trust_root import SignedTrustRoot, TrustRoot
from policies.document import load_document
from policies.engine import evaluate
from policies.facts import Facts, nothing_used
from tests.cosigner.builders import BTC, DEMO_POLICY, NOW, REGTEST, World, cosigner_key, remember, sign_root
from tests.cosigner.safe_builders import ANVIL, ETHER, NATIVE, SAFE_POLICY, SafeWorld, safe_key

LATER = "kst_later"
SWEEPS = """
  - permit: leaving a keyset
    match: {kind: sweep, destination: own}
  - require: an operator leaves a keyset
    match: {kind: sweep}
    approvals: {operators: 1}
"""
Stage = tuple[World, Callable[..., Bundle]]


def rotated(world: World, keyset: Keyset) -> World:
    """The same world, with a later keyset in its root."""
    root = replace(world.root, keysets=(*world.root.keysets, keyset))
    vars(world).update(root=root, signed_root=signed_by_all(root, world))
    return world


def signed_by_all(root: TrustRoot, world: World) -> SignedTrustRoot:
    """The ceremony, with everybody who is in any keyset."""
    signed = sign_root(root, world.operators, ("north", "south", "east", "west"))
    message = bytes.fromhex(root.hash)
    safes = [f"{name}-safe" for name in ("north", "south", "east", "west")]
    owners = [Signature(name, safe_key(name).sign_statement(message)) for name in safes]
    return SignedTrustRoot(root, (*signed.signatures, *owners))


def bitcoin(layout: str = BRANCHES) -> Stage:
    """East left, west came; the later keyset has this layout."""
    keys = [cosigner_key(name).header.account_key for name in ("north", "south", "west")]
    members = tuple(key_record(cosigner_key(name)).cosigner for name in ("north", "south", "west"))
    keyset = Keyset(LATER, REGTEST.chain, 2, members, open_descriptor(threshold=2, keys=keys, layout=layout), layout)
    world = rotated(World(policy=DEMO_POLICY + SWEEPS), keyset)

    def own(branch: int, index: int) -> str:
        descriptor = BranchDescriptor(2, tuple(keys), branch, REGTEST, layout)
        script = descriptor.derive(change=False, index=index).script_pubkey
        return address_of(script, REGTEST)

    def swept(request: SweepRequest, payment: Payment) -> str:
        paid = (
            parse_address(own(4, 3), network=REGTEST).script_pubkey
            if request.destination == own(4, 3)
            else bytes.fromhex("0014") + bytes(20)
        )
        outputs = [PayOutput(paid, request.amount)]
        return compose(inputs=[world.coin(7, BTC).spend], outputs=outputs, network=REGTEST).base64

    return world, bundler(world, REGTEST.asset.id, BTC - 2_000, own(4, 3), swept)


def ether() -> Stage:
    """The same with Safes."""
    names = ("north-safe", "south-safe", "west-safe")
    accounts = [safe_key(name).header.account_key for name in names]
    setup = SafeSetup.of([one.address for one in accounts if isinstance(one, AccountKey)], 2)
    members = tuple(key_record(safe_key(name)).cosigner for name in names)
    base = SafeWorld(policy=SAFE_POLICY + SWEEPS)
    keyset = Keyset(LATER, ANVIL.chain, 2, members, safe_descriptor(setup))
    world = rotated(base, keyset)
    to = Safes(setup).address(salt_nonce(keyset=LATER, client="acme", index=3, network=ANVIL))

    def swept(request: SweepRequest, payment: Payment) -> str:
        return UnsignedSafeTx(
            ANVIL, world.safe("acme"), SafeTx(to=request.destination, value=request.amount, data=b"", nonce=0)
        ).text

    return world, bundler(world, NATIVE.id, ETHER, to, swept)


def bundler(
    world: World, asset: str, amount: int, to: str, swept: Callable[[SweepRequest, Payment], str]
) -> Callable[..., Bundle]:
    """Bundles of one sweep of ``acme``'s, with changes to its request or its openings."""

    def made(
        *, approvers: tuple[str, ...] = ("alice",), opened: bool = True, owner: str = "acme", **changes: Any
    ) -> Bundle:
        request = replace(
            SweepRequest(
                requester="bob",
                client="acme",
                asset=asset,
                amount=amount,
                out_of=VaultName(world.vaults, 7),
                to=VaultName(LATER, 4),
                index=3,
                destination=to,
                max_fee=20_000,
                purpose="east leaves",
                not_after=NOW + timedelta(days=2),
                idempotency_key="sweep-1",
            ),
            **changes,
        )
        proven = world.prove(request, branch=7, approvers=approvers)
        payment = Payment(proven, decision(world, request))
        openings = [world.opening("acme", 7)]
        if opened:
            later = replace(world, vaults=LATER)
            vars(later).update(root=world.root, signed_root=world.signed_root)
            openings.append(later.opening(owner, 4))
        return world.bundle([payment], openings, swept(request, payment))

    return made


def decision(world: World, request: SweepRequest) -> dict[str, Any]:
    """What an honest daemon stores."""
    asset = world.root.asset(request.asset)
    assert asset is not None
    facts = Facts(
        kind="sweep",
        requester=request.requester,
        now=NOW,
        client=request.client,
        client_status="active",
        segregation="segregated",
        asset=asset.code,
        decimals=asset.decimals,
        chain=asset.chain,
        destination="own",
        destination_text=request.destination,
        amount_units=request.amount,
        vault_break="none",
        books_age_seconds=60,
    )
    return evaluate(load_document(world.policy), facts, nothing_used).to_json()


def shared_policy() -> Stage:
    """From vaults by branch to vaults of one registered policy."""
    return bitcoin(POLICY)


@pytest.fixture(params=[bitcoin, ether, shared_policy])
def stage(request: pytest.FixtureRequest) -> Stage:
    found: Stage = request.param()
    return found


def refused(stage: Stage, memory: Memory, **changes: Any) -> Reason:
    with pytest.raises(CosignerRefusal) as refusal:
        stage[0].judge(stage[1](**changes), memory)
    return refusal.value.reason


def test_goes_to_the_clients_later_vault(stage: Stage, memory: Memory) -> None:
    world, made = stage
    verdict = world.judge(made(), memory, limits=Limits(per_tx_units={"BTC": 1, "ETH": 1}))
    assert verdict.intents[0].units == 0, "nobody was paid, so no limit on payments is used"
    assert any("nobody is paid" in line for line in verdict.words)
    remember(memory, verdict)
    assert world.judge(made(), memory).effect.spend == verdict.effect.spend


def test_goes_to_no_address_of_somebody_else(stage: Stage, memory: Memory) -> None:
    elsewhere = stage[0].withdrawal("acme", 1).destination
    assert refused(stage, memory, destination=elsewhere) is Reason.SWEEP_NOT_OWN
    for index in (4, 2**16, 1_000_001, 2**31 - 1, 2**40):
        assert refused(stage, memory, index=index) is Reason.SWEEP_NOT_OWN


def test_goes_to_no_vault_the_client_was_not_given(stage: Stage, memory: Memory) -> None:
    assert refused(stage, memory, opened=False) is Reason.SWEEP_NOT_OWN
    assert refused(stage, memory, owner="bolt") is Reason.SWEEP_NOT_OWN


def test_goes_to_no_earlier_keyset_nor_to_its_own(stage: Stage, memory: Memory) -> None:
    assert refused(stage, memory, to=VaultName(stage[0].vaults, 7)) is Reason.SWEEP_NOT_OWN


def test_leaves_no_other_vault_than_was_named(stage: Stage, memory: Memory) -> None:
    assert refused(stage, memory, out_of=VaultName(stage[0].vaults, 8)) is Reason.SWEEP_NOT_OWN


def test_takes_the_people_that_policy_asks_for(stage: Stage, memory: Memory) -> None:
    assert refused(stage, memory, approvers=()) is Reason.APPROVALS_MISSING
    assert refused(stage, memory, approvers=("bob",)) is Reason.APPROVAL_INVALID, "its requester"


def test_stands_alone_in_a_bundle(stage: Stage, memory: Memory) -> None:
    world, made = stage
    bundle = made()
    other = world.payment(world.withdrawal("acme", 1_000), branch=7)
    with pytest.raises(CosignerRefusal) as refusal:
        world.judge(replace(bundle, payments=(*bundle.payments, other)), memory)
    assert refusal.value.reason is Reason.SWEEP_NOT_ALONE


def test_a_root_of_another_order_sweeps_the_other_way_only(stage: Stage, memory: Memory) -> None:
    world, made = stage
    turned: TrustRoot = replace(world.root, keysets=tuple(reversed(world.root.keysets)))
    vars(world).update(root=turned, signed_root=signed_by_all(turned, world))
    assert refused((world, made), memory) is Reason.SWEEP_NOT_OWN
