"""Lists that nobody agreed to: a destination counts as listed by what people signed, never by the daemon's word."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from custody.cosigner.memory import Memory
from custody.cosigner.reasons import Reason
from custody.evidence.intents import Intent, VaultName
from tests.adversarial.hostile import Case, refused
from tests.cosigner.builders import KEYSET, NOW, REGTEST, World, address
from tests.support.lists import COOLING, ListedWorld, listing, proved

LISTED = ListedWorld()


@refused(Reason.LISTING_NOT_PROVEN)
def listing_that_nobody_signed(world: World, memory: Memory) -> Case:
    return Case(LISTED.paying(proved(listing(), signer="alice")), judge=LISTED)


@refused(Reason.LISTING_NOT_PROVEN)
def listing_whose_destination_was_changed(world: World, memory: Memory) -> Case:
    real = proved(listing(destination=address("somebody else")))
    forged = replace(real, intent=replace(real.intent, request=listing()))
    return Case(LISTED.paying(forged), judge=LISTED)


@refused(Reason.LISTING_NOT_PROVEN)
def listing_that_is_an_opening(world: World, memory: Memory) -> Case:
    return Case(LISTED.paying(LISTED.opening("acme", 7)), judge=LISTED)


@refused(Reason.LISTING_NOT_PROVEN)
def listing_that_names_a_vault(world: World, memory: Memory) -> Case:
    request = listing()
    elsewhere = Intent(request=request, chain=REGTEST.chain, vault=VaultName(KEYSET, 7))
    return Case(LISTED.paying(proved(request, intent=elsewhere)), judge=LISTED)


@refused(Reason.LISTING_NOT_APPROVED)
def listing_that_nobody_agreed_to(world: World, memory: Memory) -> Case:
    return Case(LISTED.paying(proved(listing(), approvers=())), judge=LISTED)


@refused(Reason.LISTING_NOT_APPROVED)
def listing_that_an_operator_rejected(world: World, memory: Memory) -> Case:
    return Case(LISTED.paying(proved(listing(), rejecters=("bob",))), judge=LISTED)


@refused(Reason.LISTING_NOT_APPROVED)
def listing_that_its_requester_agreed_to(world: World, memory: Memory) -> Case:
    return Case(LISTED.paying(proved(listing(requester="alice"))), judge=LISTED)


@refused(Reason.LISTING_NOT_APPROVED)
def listing_with_the_agreement_to_another(world: World, memory: Memory) -> Case:
    other = proved(listing(destination=address("somebody else")))
    return Case(LISTED.paying(replace(proved(listing()), approvals=other.approvals)), judge=LISTED)


@refused(Reason.POLICY_DENIES)
def destination_that_only_the_daemon_calls_listed(world: World, memory: Memory) -> Case:
    return Case(LISTED.paying(), judge=LISTED)


@refused(Reason.POLICY_DENIES)
def destination_on_another_clients_list(world: World, memory: Memory) -> Case:
    return Case(LISTED.paying(proved(listing("birch"))), judge=LISTED)


@refused(Reason.POLICY_DENIES)
def destination_listed_on_another_chain(world: World, memory: Memory) -> Case:
    return Case(LISTED.paying(proved(listing(chain="bip122:000000000019d6689c085ae165831e93"))), judge=LISTED)


@refused(Reason.POLICY_DENIES)
def destination_that_is_not_the_listed_one(world: World, memory: Memory) -> Case:
    return Case(LISTED.paying(proved(listing(destination=address("somebody else")))), judge=LISTED)


@refused(Reason.POLICY_DENIES)
def listing_that_still_cools_off(world: World, memory: Memory) -> Case:
    agreed_at = NOW - COOLING + timedelta(seconds=1)
    fresh = proved(listing(not_after=NOW + timedelta(hours=1)), at=agreed_at)
    return Case(LISTED.paying(fresh), judge=LISTED)


@refused(Reason.POLICY_DENIES)
def listing_that_was_withdrawn(world: World, memory: Memory) -> Case:
    taken_back = proved(listing())
    status = LISTED.status(withdrawn=(taken_back.intent.digest,))
    return Case(LISTED.paying(taken_back, status=status), judge=LISTED)


@refused(Reason.POLICY_DENIES)
def listing_that_rests_on_a_revoked_key(world: World, memory: Memory) -> Case:
    agreed = proved(listing(), approvers=("bob",))
    return Case(LISTED.paying(agreed, status=LISTED.status(revoked=("bob-1",))), judge=LISTED)


@refused(Reason.POLICY_DENIES)
def destination_that_was_taken_off_the_list(world: World, memory: Memory) -> Case:
    off = proved(listing(action="delist", idempotency_key="off"))
    return Case(LISTED.paying(proved(listing()), off), judge=LISTED)
