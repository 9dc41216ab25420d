"""Bundles of another chain, time, trust root, keyset or policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from custody.chains.bitcoin.offline.keys import AccountKey
from custody.cosigner.limits import Limits
from custody.cosigner.memory import Memory
from custody.cosigner.reasons import Reason
from custody.evidence.bundle import Bundle
from tests.adversarial.hostile import (
    Case,
    refused,
    under_other_root,
    with_proven,
)
from tests.cosigner.builders import (
    NOW,
    REGTEST,
    World,
    cosigner_key,
    sign_root,
)


@refused(Reason.WRONG_CHAIN)
def bundle_for_another_chain(world: World, memory: Memory) -> Bundle:
    return world.small(chain="bip122:000000000019d6689c085ae165831e93")


@refused(Reason.WRONG_CHAIN)
def bundle_and_intent_for_another_chain(world: World, memory: Memory) -> Bundle:
    other = "bip122:000000000019d6689c085ae165831e93"
    bundle = world.small(chain=other)
    intent = bundle.payments[0].proven.intent
    return with_proven(bundle, intent=replace(intent, chain=other))


@refused(Reason.WRONG_CHAIN)
def intent_for_another_chain(world: World, memory: Memory) -> Bundle:
    bundle = world.small()
    intent = bundle.payments[0].proven.intent
    return with_proven(bundle, intent=replace(intent, chain="bip122:000000000019d6689c085ae165831e93"))


@refused(Reason.CLOCKS_DIFFER)
def bundle_made_in_our_future(world: World, memory: Memory) -> Bundle:
    return world.small(created_at=NOW + timedelta(seconds=121), not_after=NOW + timedelta(hours=1))


@refused(Reason.BUNDLE_EXPIRED)
def bundle_past_its_time(world: World, memory: Memory) -> Bundle:
    return world.small(created_at=NOW - timedelta(hours=2), not_after=NOW - timedelta(microseconds=1))


@refused(Reason.BUNDLE_EXPIRED)
def bundle_older_than_our_limit(world: World, memory: Memory) -> Case:
    bundle = world.small(created_at=NOW - timedelta(seconds=61))
    return Case(bundle, Limits(bundle_age_seconds=60))


@refused(Reason.ROOT_NOT_PINNED)
def trust_root_with_one_more_operator(world: World, memory: Memory) -> Case:
    other = World(operators=("alice", "bob", "carol", "mallory"))
    return Case(other.small(), judge=world)


@refused(Reason.ROOT_NOT_PINNED)
def trust_root_with_one_more_requester(world: World, memory: Memory) -> Case:
    return Case(World(requesters=("exchange", "mallory")).small(), judge=world)


@refused(Reason.ROOT_NOT_PINNED)
def trust_root_with_a_lower_threshold_of_people(world: World, memory: Memory) -> Case:
    loose = World(policy=world.policy.replace("approvals: {operators: 2}", "approvals: {operators: 1}"))
    return Case(loose.large(approvers=("alice",)), judge=world)


@refused(Reason.ROOT_NOT_IN_FORCE)
def trust_root_without_one_operators_signature(world: World, memory: Memory) -> Bundle:
    return replace(world.small(), trust_root=sign_root(world.root, ("alice", "bob"), world.cosigners))


@refused(Reason.ROOT_NOT_IN_FORCE)
def trust_root_without_one_cosigners_signature(world: World, memory: Memory) -> Bundle:
    return replace(world.small(), trust_root=sign_root(world.root, world.operators, ("north", "south")))


@refused(Reason.ROOT_NOT_IN_FORCE)
def trust_root_past_its_expiry(world: World, memory: Memory) -> Case:
    old = World(expires_at=NOW - timedelta(seconds=1))
    return Case(old.small(), judge=old)


@refused(Reason.KEYSET_NOT_OURS)
def keyset_that_does_not_hold_our_key(world: World, memory: Memory) -> Case:
    strangers = World(cosigners=("west", "south", "east"))
    return Case(strangers.small(), judge=strangers)


@refused(Reason.KEYSET_NOT_OURS)
def p077_xpub_replaced_keeping_the_fingerprint_and_public_key(world: World, memory: Memory) -> Case:
    def replaced(root: Any) -> Any:
        keyset = root.keysets[0]
        south, stranger = keyset.cosigners[1], cosigner_key("stranger").header.account_key
        known = AccountKey.parse(south.account_key, network=REGTEST)
        forged = replace(known, xpub=stranger.xpub).text
        members = (keyset.cosigners[0], replace(south, account_key=forged), keyset.cosigners[2])
        descriptor = keyset.descriptor.replace(south.account_key, forged)
        return replace(root, keysets=(replace(keyset, cosigners=members, descriptor=descriptor),))

    return under_other_root(world, replaced)


@refused(Reason.KEYSET_NOT_OURS)
def p077_xpub_replaced_only_in_the_open_descriptor(world: World, memory: Memory) -> Case:
    def replaced(root: Any) -> Any:
        keyset = root.keysets[0]
        stranger = cosigner_key("stranger").header.account_key.text
        descriptor = keyset.descriptor.replace(keyset.cosigners[1].account_key, stranger)
        return replace(root, keysets=(replace(keyset, descriptor=descriptor),))

    return under_other_root(world, replaced)


@refused(Reason.KEYSET_NOT_OURS)
def open_descriptor_of_another_threshold(world: World, memory: Memory) -> Case:
    def replaced(root: Any) -> Any:
        keyset = root.keysets[0]
        return replace(root, keysets=(replace(keyset, descriptor=keyset.descriptor.replace("(2,", "(3,")),))

    return under_other_root(world, replaced)


@refused(Reason.POLICY_NOT_PINNED)
def policy_text_without_its_limits(world: World, memory: Memory) -> Bundle:
    return world.small(policy=world.policy.replace("1 BTC", "9 BTC"))


@refused(Reason.POLICY_NOT_PINNED)
def policy_text_with_one_more_blank(world: World, memory: Memory) -> Bundle:
    return world.small(policy=world.policy + "\n")


@refused(Reason.POLICY_NOT_PINNED)
def pinned_policy_that_cannot_be_read(world: World, memory: Memory) -> Case:
    broken = World(policy="policy: broken")
    bundle = replace(world.small(), policy=broken.policy, trust_root=broken.signed_root)
    return Case(bundle, judge=broken)
