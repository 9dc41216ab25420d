"""Bundles whose requests, intents or client openings are not what their authors signed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from custody.cosigner.memory import Memory
from custody.cosigner.reasons import Reason
from custody.evidence.bundle import Bundle
from custody.evidence.intents import VaultName
from custody.evidence.proven import ProvenIntent
from custody.evidence.requests import WithdrawalRequest
from custody.evidence.signatures import Signature
from tests.adversarial.hostile import (
    Case,
    bundle_of,
    pay_acme,
    refused,
    under_other_root,
    with_proven,
)
from tests.cosigner.builders import (
    BTC,
    NOW,
    REGTEST,
    World,
    address,
    approval,
    remember,
)


@refused(Reason.NOTHING_TO_PAY)
def bundle_that_pays_nobody(world: World, memory: Memory) -> Bundle:
    return world.small(payments=())


@refused(Reason.NOTHING_TO_PAY)
def opening_in_the_place_of_a_payment(world: World, memory: Memory) -> Bundle:
    bundle = world.small()
    return replace(bundle, payments=(replace(bundle.payments[0], proven=world.opening("acme", 7)),))


@refused(Reason.INTENT_TWICE)
def one_intent_paid_twice_in_one_transaction(world: World, memory: Memory) -> Bundle:
    payment = pay_acme(world)
    psbt = world.transaction([payment, payment], [world.coin(7, 10_000_000)], fee_sat=3_000)
    return world.bundle([payment, payment], [world.opening("acme", 7)], psbt)


@refused(Reason.INTENT_TWICE)
def one_request_paid_from_two_vaults_in_one_bundle(world: World, memory: Memory) -> Bundle:
    payment = pay_acme(world)
    other = replace(payment.proven.intent, vault=VaultName("kst_demo", 8))
    twin = replace(payment, proven=replace(payment.proven, intent=other))
    psbt = world.transaction([payment, twin], [world.coin(7, 10_000_000)], fee_sat=3_000)
    return world.bundle([payment, twin], [world.opening("acme", 7)], psbt)


@refused(Reason.ASSET_UNKNOWN)
def asset_of_another_chain(world: World, memory: Memory) -> Bundle:
    return bundle_of(world, pay_acme(world, asset="bip122:000000000019d6689c085ae165831e93/slip44:0"))


@refused(Reason.ASSET_UNKNOWN)
def asset_that_the_root_registers_with_other_decimals(world: World, memory: Memory) -> Case:
    return under_other_root(world, lambda root: replace(root, assets=(replace(REGTEST.asset, decimals=6),)))


@refused(Reason.REQUEST_NOT_PROVEN)
def request_by_a_key_nobody_pinned(world: World, memory: Memory) -> Bundle:
    proven = world.prove(world.withdrawal("acme", 2_000_000), branch=7, signer="mallory")
    return with_proven(world.small(), request_signature=proven.request_signature)


@refused(Reason.REQUEST_NOT_PROVEN)
def request_signed_by_a_stranger_under_a_pinned_keys_name(world: World, memory: Memory) -> Bundle:
    proven = world.prove(world.withdrawal("acme", 2_000_000), branch=7, signer="mallory")
    forged = Signature("exchange-1", proven.request_signature.signature)
    return with_proven(world.small(), request_signature=forged)


@refused(Reason.REQUEST_NOT_PROVEN)
def request_with_an_operators_signature_in_the_requesters_name(world: World, memory: Memory) -> Bundle:
    proven = world.prove(world.withdrawal("acme", 2_000_000), branch=7, signer="alice")
    return with_proven(world.small(), request_signature=proven.request_signature)


def _with_request(world: World, **changes: Any) -> Bundle:
    bundle = world.small()
    intent = bundle.payments[0].proven.intent
    return with_proven(bundle, intent=replace(intent, request=replace(intent.request, **changes)))


@refused(Reason.REQUEST_NOT_PROVEN)
def request_with_another_amount_than_was_signed(world: World, memory: Memory) -> Bundle:
    return _with_request(world, amount=2_000_001)


@refused(Reason.REQUEST_NOT_PROVEN)
def request_with_another_destination_than_was_signed(world: World, memory: Memory) -> Bundle:
    return _with_request(world, destination=address("mallory"))


@refused(Reason.REQUEST_NOT_PROVEN)
def request_with_a_higher_fee_ceiling_than_was_signed(world: World, memory: Memory) -> Bundle:
    return _with_request(world, max_fee=10_000_000)


@refused(Reason.REQUEST_NOT_PROVEN)
def request_of_another_client_than_was_signed(world: World, memory: Memory) -> Bundle:
    return _with_request(world, client="bee")


@refused(Reason.REQUEST_NOT_PROVEN)
def request_kept_alive_longer_than_was_signed(world: World, memory: Memory) -> Bundle:
    return _with_request(world, not_after=NOW + timedelta(days=3))


@refused(Reason.REQUEST_NOT_PROVEN)
def request_past_its_time(world: World, memory: Memory) -> Bundle:
    return bundle_of(world, pay_acme(world, not_after=NOW - timedelta(microseconds=1)))


@refused(Reason.REQUEST_NOT_PROVEN)
def request_that_lives_for_ever(world: World, memory: Memory) -> Bundle:
    return bundle_of(world, pay_acme(world, not_after=NOW + timedelta(days=31)))


@refused(Reason.DESTINATION_INVALID)
def destination_of_another_network(world: World, memory: Memory) -> Bundle:
    payment = world.payment(
        world.withdrawal("acme", 2_000_000, destination="bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"), branch=7
    )
    return replace(world.small(), payments=(payment,))


@refused(Reason.OPENING_NOT_PROVEN)
def opening_signed_by_a_stranger(world: World, memory: Memory) -> Bundle:
    forged = replace(
        world.opening("acme", 7), request_signature=world.opening("acme", 7, requester="mallory").request_signature
    )
    return world.small(openings=(forged,))


@refused(Reason.OPENING_NOT_PROVEN)
def withdrawal_among_the_openings(world: World, memory: Memory) -> Bundle:
    return world.small(openings=(pay_acme(world).proven,))


@refused(Reason.OPENING_NOT_PROVEN)
def opening_whose_vault_is_not_the_one_asked_for(world: World, memory: Memory) -> Bundle:
    opening = world.opening("acme", 8)
    moved = replace(opening, intent=replace(opening.intent, vault=VaultName("kst_demo", 7)))
    return world.small(openings=(moved,))


@refused(Reason.OPENING_NOT_PROVEN)
def opening_in_a_keyset_nobody_knows(world: World, memory: Memory) -> Bundle:
    opening = world.opening("acme", 7, keyset="kst_other")
    moved = replace(opening, intent=replace(opening.intent, vault=VaultName("kst_other", 7)))
    return world.small(openings=(moved,))


@refused(Reason.OPENING_NOT_APPROVED)
def opening_that_nobody_approved(world: World, memory: Memory) -> Bundle:
    return world.small(openings=(world.opening("acme", 7, approvers=()),))


@refused(Reason.OPENING_NOT_APPROVED)
def opening_with_an_approval_of_another_opening(world: World, memory: Memory) -> Bundle:
    opening = replace(world.opening("acme", 7), approvals=world.opening("bee", 8).approvals)
    return world.small(openings=(opening,))


@refused(Reason.OPENING_NOT_APPROVED)
def opening_approved_by_its_own_requester(world: World, memory: Memory) -> Bundle:
    return world.small(openings=(world.opening("acme", 7, requester="alice", approvers=("alice",)),))


@refused(Reason.OPENING_NOT_APPROVED)
def opening_approved_in_the_future(world: World, memory: Memory) -> Bundle:
    later = NOW + timedelta(hours=1)
    opening = world.opening("acme", 7, approvers=(), not_after=NOW + timedelta(days=2))
    given = approval("alice", opening.intent.digest, given_at=later, not_after=later + timedelta(hours=1))
    return world.small(openings=(replace(opening, approvals=(given,)),))


@refused(Reason.OPENING_NOT_APPROVED)
def opening_that_an_operator_rejected(world: World, memory: Memory) -> Bundle:
    opening = world.opening("acme", 7, approvers=("alice",))
    request = opening.intent.request
    assert not isinstance(request, WithdrawalRequest)
    refused_by_bob = world.prove(
        request, branch=7, approvers=("alice",), rejecters=("bob",), given_at=NOW - timedelta(days=7)
    )
    return world.small(openings=(refused_by_bob,))


@refused(Reason.SECOND_OWNER)
def second_client_for_a_segregated_branch(world: World, memory: Memory) -> Bundle:
    return world.small(openings=(world.opening("acme", 7), world.opening("mallory", 7)))


@refused(Reason.SECOND_OWNER)
def second_client_for_a_branch_that_is_remembered(world: World, memory: Memory) -> Bundle:
    remember(memory, world.judge(world.small(), memory))
    payment = world.payment(world.withdrawal("mallory", 2_000_000), branch=7)
    psbt = world.transaction([payment], [world.coin(7, 10_000_000, salt="more")], fee_sat=3_000)
    return world.bundle([payment], [world.opening("mallory", 7)], psbt, name="bnd_2")


@refused(Reason.SECOND_OWNER)
def omnibus_client_for_a_segregated_branch(world: World, memory: Memory) -> Bundle:
    return world.small(openings=(world.opening("acme", 7), world.opening("bee", 7, segregation="omnibus")))


@refused(Reason.SECOND_OWNER)
def segregated_client_that_becomes_a_pool(world: World, memory: Memory) -> Bundle:
    remember(memory, world.judge(world.small(), memory))
    return _pay_with_opening(world, world.opening("acme", 7, segregation="omnibus"))


@refused(Reason.SECOND_BRANCH)
def second_branch_for_a_client(world: World, memory: Memory) -> Bundle:
    remember(memory, world.judge(world.small(), memory))
    return _pay_with_opening(world, world.opening("acme", 8))


def _pay_with_opening(world: World, opening: ProvenIntent) -> Bundle:
    return replace(bundle_of(world, pay_acme(world, 1_000_000), name="bnd_2", salt="more"), openings=(opening,))


@refused(Reason.VAULT_NOT_THE_CLIENTS)
def client_without_any_opening(world: World, memory: Memory) -> Bundle:
    return world.small(openings=())


@refused(Reason.VAULT_NOT_THE_CLIENTS)
def payment_out_of_another_clients_vault(world: World, memory: Memory) -> Bundle:
    payment = world.payment(world.withdrawal("acme", 2_000_000), branch=8)
    psbt = world.transaction([payment], [world.coin(8, 10_000_000)], fee_sat=3_000)
    return world.bundle([payment], [world.opening("acme", 7), world.opening("bee", 8)], psbt)


@refused(Reason.VAULT_NOT_THE_CLIENTS)
def two_clients_vaults_in_one_transaction(world: World, memory: Memory) -> Bundle:
    payments = [pay_acme(world), world.payment(world.withdrawal("bee", 1_000_000), branch=8)]
    psbt = world.transaction(payments, [world.coin(7, BTC), world.coin(8, BTC)], fee_sat=3_000)
    return world.bundle(payments, [world.opening("acme", 7), world.opening("bee", 8)], psbt)
