"""Bundles that policy denies, or that too few people agreed to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from custody.cosigner.memory import Memory
from custody.cosigner.reasons import Reason
from custody.evidence.approvals import Approval
from custody.evidence.bundle import Bundle
from tests.adversarial.hostile import (
    Case,
    bundle_of,
    refused,
    with_approval,
    with_proven,
)
from tests.cosigner.builders import (
    BTC,
    DELAYED,
    NOW,
    World,
    approval,
    remember,
)


@refused(Reason.DECISION_UNREADABLE)
def decision_that_is_empty(world: World, memory: Memory) -> Bundle:
    bundle = world.small()
    return replace(bundle, payments=(replace(bundle.payments[0], decision={}),))


@refused(Reason.DECISION_UNREADABLE)
def decision_whose_facts_are_nonsense(world: World, memory: Memory) -> Bundle:
    bundle = world.small()
    decision = {**bundle.payments[0].decision, "facts": {"books_age_seconds": "young"}}
    return replace(bundle, payments=(replace(bundle.payments[0], decision=decision),))


@refused(Reason.DECISION_UNREADABLE)
def decision_under_another_policy(world: World, memory: Memory) -> Bundle:
    bundle = world.small()
    decision = {**bundle.payments[0].decision, "document_hash": "00" * 32}
    return replace(bundle, payments=(replace(bundle.payments[0], decision=decision),))


@refused(Reason.POLICY_DENIES)
def more_than_policy_ever_permits(world: World, memory: Memory) -> Bundle:
    request = world.withdrawal("acme", BTC + 1)
    payment = world.payment(request, branch=7, approvers=("alice", "bob"))
    honest = world.large().payments[0].decision
    lying = replace(payment, decision={**honest, "facts": {**honest["facts"]}})
    psbt = world.transaction([lying], [world.coin(7, 2 * BTC)], fee_sat=3_000)
    return world.bundle([lying], [world.opening("acme", 7)], psbt)


@refused(Reason.POLICY_DENIES)
def client_that_the_daemon_says_is_frozen(world: World, memory: Memory) -> Bundle:
    payment = world.payment(world.withdrawal("acme", 2_000_000), branch=7, client_status="frozen")
    return bundle_of(world, payment)


@refused(Reason.POLICY_DENIES)
def vault_with_an_open_break(world: World, memory: Memory) -> Bundle:
    return bundle_of(world, world.payment(world.withdrawal("acme", 2_000_000), branch=7, vault_break="open"))


@refused(Reason.POLICY_DENIES)
def client_whose_status_the_daemon_keeps_to_itself(world: World, memory: Memory) -> Bundle:
    bundle = world.small()
    decision = bundle.payments[0].decision
    facts = {name: value for name, value in decision["facts"].items() if name != "client_status"}
    return replace(bundle, payments=(replace(bundle.payments[0], decision={**decision, "facts": facts}),))


@refused(Reason.POLICY_DENIES)
def stored_decision_that_denied(world: World, memory: Memory) -> Bundle:
    bundle = world.small()
    denied = {**bundle.payments[0].decision, "outcome": "deny"}
    return replace(bundle, payments=(replace(bundle.payments[0], decision=denied),))


@refused(Reason.POLICY_DENIES)
def window_used_up_by_the_daemons_count(world: World, memory: Memory) -> Bundle:
    bundle = world.small()
    decision = bundle.payments[0].decision
    used = [{**read, "amount_units": str(BTC), "count": 5} for read in decision["usage"]]
    assert used
    return replace(bundle, payments=(replace(bundle.payments[0], decision={**decision, "usage": used}),))


@refused(Reason.POLICY_DENIES)
def window_used_up_by_our_own_count_though_the_daemon_says_nothing_was_used(world: World, memory: Memory) -> Bundle:
    for place in range(2):
        request = world.withdrawal("acme", BTC // 2, idempotency_key=f"half-{place}")
        payment = world.payment(request, branch=7, approvers=("alice", "bob"))
        psbt = world.transaction([payment], [world.coin(7, BTC, salt=f"half-{place}")], fee_sat=3_000)
        bundle = world.bundle([payment], [world.opening("acme", 7)], psbt, name=f"bnd_half_{place}")
        remember(memory, world.judge(bundle, memory))
    return world.small()


@refused(Reason.APPROVALS_MISSING)
def large_payment_that_nobody_approved(world: World, memory: Memory) -> Bundle:
    return world.large(approvers=())


@refused(Reason.APPROVALS_MISSING)
def large_payment_with_one_approver_of_two(world: World, memory: Memory) -> Bundle:
    return world.large(approvers=("alice",))


@refused(Reason.APPROVALS_MISSING)
def one_operator_approving_twice_with_two_nonces(world: World, memory: Memory) -> Bundle:
    bundle = world.large(approvers=("alice",))
    digest = bundle.payments[0].proven.intent.digest
    again = approval("alice", digest, nonce="11" * 16)
    return with_proven(bundle, approvals=(*bundle.payments[0].proven.approvals, again))


@refused(Reason.APPROVALS_MISSING)
def decision_that_the_daemon_loosened_to_allow(world: World, memory: Memory) -> Bundle:
    bundle = world.large(approvers=())
    loose = {**bundle.payments[0].decision, "outcome": "allow", "approvals": {}}
    return replace(bundle, payments=(replace(bundle.payments[0], decision=loose),))


@refused(Reason.APPROVALS_MISSING)
def approver_whom_the_root_does_not_put_in_the_group(world: World, memory: Memory) -> Case:
    smaller = World(groups=(("operators", ("alice", "carol")),))
    return Case(smaller.large(), judge=smaller)


@refused(Reason.APPROVALS_MISSING)
def stored_decision_that_asks_for_more_people(world: World, memory: Memory) -> Bundle:
    bundle = world.large()
    more = {**bundle.payments[0].decision, "approvals": {"operators": 3}}
    return replace(bundle, payments=(replace(bundle.payments[0], decision=more),))


@refused(Reason.REJECTED)
def large_payment_that_a_third_operator_rejected(world: World, memory: Memory) -> Bundle:
    return world.large(rejecters=("carol",))


@refused(Reason.APPROVALS_MISSING)
def approval_past_its_time(world: World, memory: Memory) -> Bundle:
    bundle = world.large(approvers=("bob",))
    old = approval(
        "alice",
        bundle.payments[0].proven.intent.digest,
        given_at=NOW - timedelta(hours=2),
        not_after=NOW - timedelta(microseconds=1),
    )
    return with_proven(bundle, approvals=(old, *bundle.payments[0].proven.approvals))


@refused(Reason.REJECTED)
def rejection_that_the_daemon_waited_out(world: World, memory: Memory) -> Bundle:
    bundle = world.large()
    old = approval(
        "carol",
        bundle.payments[0].proven.intent.digest,
        verdict="reject",
        given_at=NOW - timedelta(hours=2),
        not_after=NOW - timedelta(hours=1),
    )
    return with_proven(bundle, approvals=(*bundle.payments[0].proven.approvals, old))


@refused(Reason.APPROVAL_INVALID)
def lapsed_approval_with_a_forged_signature(world: World, memory: Memory) -> Bundle:
    bundle = world.large()
    digest, given_at = bundle.payments[0].proven.intent.digest, NOW - timedelta(hours=2)
    old = approval("carol", digest, given_at=given_at, not_after=NOW - timedelta(hours=1))
    forged = Approval(replace(old.statement, approver="bob"), old.signature)
    return with_proven(bundle, approvals=(*bundle.payments[0].proven.approvals, forged))


@refused(Reason.APPROVAL_INVALID)
def approval_given_in_the_future(world: World, memory: Memory) -> Bundle:
    bundle = world.large(approvers=("bob",))
    early = approval("alice", bundle.payments[0].proven.intent.digest, given_at=NOW + timedelta(minutes=3))
    return with_proven(bundle, approvals=(early, *bundle.payments[0].proven.approvals))


@refused(Reason.APPROVAL_INVALID)
def approval_that_outlives_its_request(world: World, memory: Memory) -> Bundle:
    bundle = world.large(approvers=("bob",))
    digest = bundle.payments[0].proven.intent.digest
    long = approval("alice", digest, not_after=NOW + timedelta(days=2, microseconds=1))
    return with_proven(bundle, approvals=(long, *bundle.payments[0].proven.approvals))


@refused(Reason.APPROVAL_INVALID)
def approval_of_another_intent(world: World, memory: Memory) -> Bundle:
    other = world.payment(world.withdrawal("acme", BTC // 2, purpose="other"), branch=7, approvers=("alice",))
    bundle = world.large(approvers=("bob",))
    mixed = (*other.proven.approvals, *bundle.payments[0].proven.approvals)
    return with_proven(bundle, approvals=mixed)


@refused(Reason.APPROVAL_INVALID)
def approval_by_someone_who_is_no_operator(world: World, memory: Memory) -> Bundle:
    return world.large(approvers=("alice", "mallory"))


@refused(Reason.APPROVAL_INVALID)
def rejection_turned_into_an_approval(world: World, memory: Memory) -> Bundle:
    return with_approval(world.large(approvers=("bob",), rejecters=("carol",)), verdict="reject")


@refused(Reason.APPROVAL_INVALID)
def approval_made_younger(world: World, memory: Memory) -> Bundle:
    return with_approval(world.large(), given_at=NOW - timedelta(minutes=1))


@refused(Reason.APPROVAL_INVALID)
def approval_under_another_operators_name(world: World, memory: Memory) -> Bundle:
    return with_approval(world.large(approvers=("alice",)), approver="bob")


@refused(Reason.APPROVAL_INVALID)
def operator_approving_its_own_request(world: World, memory: Memory) -> Bundle:
    request = world.withdrawal("acme", BTC // 2, requester="alice")
    payment = world.payment(request, branch=7, approvers=("alice", "bob"))
    psbt = world.transaction([payment], [world.coin(7, BTC)], fee_sat=3_000)
    return world.bundle([payment], [world.opening("acme", 7)], psbt)


@refused(Reason.APPROVAL_INVALID)
def one_approval_twice_in_one_bundle(world: World, memory: Memory) -> Bundle:
    bundle = world.large()
    approvals = bundle.payments[0].proven.approvals
    return with_proven(bundle, approvals=(*approvals, approvals[0]))


@refused(Reason.APPROVAL_INVALID)
def nonce_that_signed_another_statement_before(world: World, memory: Memory) -> Bundle:
    remember(memory, world.judge(world.large(), memory))
    old = world.large().payments[0].proven.approvals[0].statement.nonce
    request = world.withdrawal("acme", BTC // 4)
    payment = world.payment(request, branch=7, approvers=("bob",))
    again = approval("alice", payment.proven.intent.digest, nonce=old)
    proven = replace(payment.proven, approvals=(again, *payment.proven.approvals))
    payment = replace(payment, proven=proven)
    psbt = world.transaction([payment], [world.coin(7, BTC, salt="other")], fee_sat=3_000)
    return world.bundle([payment], [], psbt, name="bnd_2")


@refused(Reason.DELAY_NOT_OVER)
def delay_that_starts_only_now(world: World, memory: Memory) -> Case:
    slow = World(policy=DELAYED)
    return Case(slow.large(), judge=slow)


@refused(Reason.DELAY_NOT_OVER)
def delay_with_a_second_left(world: World, memory: Memory) -> Case:
    slow = World(policy=DELAYED)
    bundle = slow.large()
    memory.note_seen([bundle.payments[0].proven.intent.digest], now=NOW - timedelta(minutes=59, seconds=59))
    return Case(bundle, judge=slow)


@refused(Reason.DELAY_NOT_OVER)
def opening_whose_delay_is_not_over(world: World, memory: Memory) -> Case:
    slow = World(policy=world.policy.replace("approvals: {operators: 1}", "approvals: {operators: 1}\n    delay: 1h"))
    return Case(slow.small(), judge=slow)


@refused(Reason.DELAY_NOT_OVER)
def stored_decision_that_asks_for_more_time_than_there_is(world: World, memory: Memory) -> Bundle:
    bundle = world.large()
    endless = {**bundle.payments[0].decision, "delay_seconds": 2**53 - 1}
    return replace(bundle, payments=(replace(bundle.payments[0], decision=endless),))
