"""Bundles over a fee cap or limit, or at odds with what was signed before."""

from __future__ import annotations

from dataclasses import replace

from custody.cosigner.limits import Limits
from custody.cosigner.memory import Memory
from custody.cosigner.reasons import Reason
from custody.evidence.bundle import Bundle, Refusal
from tests.adversarial.hostile import (
    Case,
    bundle_of,
    new_outputs,
    pay_acme,
    refused,
    with_psbt,
)
from tests.cosigner.builders import (
    BTC,
    NOW,
    World,
    address,
    remember,
)


@refused(Reason.FEE_OVER_CAP)
def p076_fee_over_the_absolute_cap(world: World, memory: Memory) -> Case:
    return Case(world.small(), Limits(max_fee_sat=2_999))


@refused(Reason.FEE_OVER_CAP)
def p076_fee_over_the_rate_cap(world: World, memory: Memory) -> Case:
    return Case(world.small(), Limits(max_fee_rate_sat_kvb=10_000))


@refused(Reason.FEE_OVER_CAP)
def p076_fee_over_the_share_cap(world: World, memory: Memory) -> Case:
    return Case(world.small(), Limits(max_fee_share_bps=14))


@refused(Reason.FEE_OVER_CAP)
def p076_outputs_worth_more_than_inputs(world: World, memory: Memory) -> Bundle:
    return with_psbt(world.small(), **new_outputs(lambda found: [found[0], replace(found[1], amount_sat=9_000_000)]))


@refused(Reason.FEE_OVER_CEILING)
def p076_fee_over_what_the_requester_allowed(world: World, memory: Memory) -> Bundle:
    return bundle_of(world, pay_acme(world), fee_sat=20_001)


@refused(Reason.FEE_OVER_CEILING)
def p076_change_left_out_so_that_it_becomes_fee(world: World, memory: Memory) -> Case:
    bundle = with_psbt(world.small(), **new_outputs(lambda found: found[:1]))
    loose = Limits(max_fee_sat=BTC, max_fee_rate_sat_kvb=BTC, max_fee_share_bps=1_000_000)
    return Case(bundle, loose)


@refused(Reason.FEE_OVER_CEILING)
def p076_one_payment_of_two_bearing_more_than_its_ceiling(world: World, memory: Memory) -> Bundle:
    payments = [
        world.payment(
            world.withdrawal(client, 2_000_000, destination=address(client), max_fee=ceiling),
            branch=1,
            segregation="omnibus",
        )
        for client, ceiling in (("bee", 20_000), ("cod", 4_999))
    ]
    openings = [world.opening(client, 1, segregation="omnibus") for client in ("bee", "cod")]
    psbt = world.transaction(payments, [world.coin(1, BTC)], fee_sat=10_000)
    return world.bundle(payments, openings, psbt)


@refused(Reason.OVER_OWN_LIMIT)
def more_than_our_own_limit_for_one_transaction(world: World, memory: Memory) -> Case:
    return Case(world.small(), Limits(per_tx_sat=1_999_999))


@refused(Reason.OVER_OWN_LIMIT)
def more_than_our_own_limit_for_a_day(world: World, memory: Memory) -> Case:
    remember(memory, world.judge(bundle_of(world, pay_acme(world, 1_000_000), name="bnd_0", salt="day"), memory))
    return Case(world.small(), Limits(per_day_sat=2_999_999))


@refused(Reason.NOT_A_REPLACEMENT)
def second_transaction_of_an_intent_that_shares_no_coin(world: World, memory: Memory) -> Bundle:
    payment = pay_acme(world)
    remember(memory, world.judge(bundle_of(world, payment, name="bnd_1"), memory))
    return bundle_of(world, payment, name="bnd_2", salt="other")


@refused(Reason.NOT_A_REPLACEMENT)
def third_transaction_that_conflicts_with_only_one_of_two(world: World, memory: Memory) -> Bundle:
    payment, openings = pay_acme(world), [world.opening("acme", 7)]
    first, second = world.coin(7, 3_000_000), world.coin(7, 3_000_000, index=1)
    for place, coins in enumerate(([first], [first, second])):
        psbt = world.transaction([payment], coins, fee_sat=3_000 + 3_000 * place)
        remember(memory, world.judge(world.bundle([payment], openings, psbt, name=f"bnd_{place}"), memory))
    psbt = world.transaction([payment], [second], fee_sat=9_000)
    return world.bundle([payment], openings, psbt, name="bnd_9")


@refused(Reason.PAYS_DIFFERENTLY)
def replacement_that_pays_one_more_intent(world: World, memory: Memory) -> Bundle:
    payment, more = pay_acme(world), pay_acme(world, 1_000_000)
    remember(memory, world.judge(bundle_of(world, payment), memory))
    psbt = world.transaction([payment, more], [world.coin(7, 10_000_000)], fee_sat=9_000)
    return world.bundle([payment, more], [world.opening("acme", 7)], psbt, name="bnd_2")


@refused(Reason.PAYS_DIFFERENTLY)
def replacement_of_a_batch_that_drops_one_payment(world: World, memory: Memory) -> Bundle:
    both = [pay_acme(world), pay_acme(world, 1_000_000)]
    coin, openings = world.coin(7, 10_000_000), [world.opening("acme", 7)]
    batch = world.bundle(both, openings, world.transaction(both, [coin], fee_sat=3_000))
    remember(memory, world.judge(batch, memory))
    alone = world.transaction(both[:1], [coin], fee_sat=9_000)
    return world.bundle(both[:1], openings, alone, name="bnd_2")


@refused(Reason.COIN_SIGNED_ELSEWHERE)
def p075_coin_signed_before_for_another_intent(world: World, memory: Memory) -> Bundle:
    remember(memory, world.judge(bundle_of(world, pay_acme(world)), memory))
    return bundle_of(world, pay_acme(world, 1_000_000), name="bnd_2")


@refused(Reason.COIN_SIGNED_ELSEWHERE)
def p075_coin_remembered_with_another_amount(world: World, memory: Memory) -> Bundle:
    bundle = bundle_of(world, pay_acme(world))
    verdict = world.judge(bundle, memory)
    claimed = replace(verdict.memory, claims=dict.fromkeys(verdict.memory.claims, 9999999))
    with memory.exclusive():
        memory.record_signature(claimed, openings=(), nonces=(), answer="answer")
    return bundle_of(world, pay_acme(world), name="bnd_2", fee_sat=9_000)


@refused(Reason.REQUEST_SIGNED_ELSEWHERE)
def signed_request_paid_again_out_of_another_vault(world: World, memory: Memory) -> Bundle:
    verdict = world.judge(bundle_of(world, pay_acme(world)), memory)
    intents = tuple(replace(intent, digest="77" * 32) for intent in verdict.memory.intents)
    with memory.exclusive():
        memory.record_signature(replace(verdict.memory, intents=intents), openings=(), nonces=(), answer="answer")
    return bundle_of(world, pay_acme(world), name="bnd_2", salt="other")


@refused(Reason.REFUSED_BEFORE)
def transaction_whose_refusal_was_signed(world: World, memory: Memory) -> Bundle:
    bundle = world.small()
    spend = world.judge(bundle, memory).effect.spend
    refusal = Refusal(bundle.id, bundle.digest, "north", "person-declined", "no", NOW)
    with memory.exclusive():
        intents = [payment.proven.intent.digest for payment in bundle.payments]
        memory.record_refusal(refusal, signature="00", spend=spend, intents=intents)
    return world.small(name="bnd_again")


@refused(Reason.BUNDLE_ALTERED)
def bundle_of_a_signed_attempt_with_another_transaction(world: World, memory: Memory) -> Bundle:
    payment = pay_acme(world)
    remember(memory, world.judge(bundle_of(world, payment), memory))
    return bundle_of(world, payment, fee_sat=9_000)
