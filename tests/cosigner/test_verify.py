"""What is signed: honest bundles, and what the verdict says of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from custody.cosigner.memory import Memory
from tests.cosigner.builders import BTC, DELAYED, NOW, World, address, approval, remember


def test_signs_a_small_payment_without_people(world: World, memory: Memory) -> None:
    verdict = world.judge(world.small(), memory)
    assert (verdict.effect.paid_sat, verdict.effect.fee_sat, verdict.effect.change_sat) == (2_000_000, 3_000, 7_997_000)
    assert [entry.path for entry in verdict.effect.inputs] == [(7, 0, 0)]


def test_signs_a_large_payment_that_two_operators_approved(world: World, memory: Memory) -> None:
    assert {nonce[0] for nonce in world.judge(world.large(), memory).nonces} == {"alice", "bob"}


def test_says_in_plain_words_what_will_happen(world: World, memory: Memory) -> None:
    text = "\n".join(world.judge(world.large(), memory).words)
    for part in (
        f"Pay 0.50000000 BTC to {address('somebody')}",
        "client acme, vault kst_demo/7",
        "2 of operators agree: alice, bob did",
        "spends 1 coin of vault kst_demo/7, 1.00000000 BTC; 0.49997000 BTC comes back to it",
        "network fee 0.00003000 BTC, 0.00 % of what is paid",
    ):
        assert part in text


def test_signs_without_change(world: World, memory: Memory) -> None:
    payment = world.payment(world.withdrawal("acme", 2_000_000), branch=7)
    psbt = world.transaction([payment], [world.coin(7, 2_003_000)], fee_sat=3_000)
    verdict = world.judge(world.bundle([payment], [world.opening("acme", 7)], psbt), memory)
    assert verdict.effect.change_sat == 0


def test_signs_coins_of_both_chains_of_the_vault(world: World, memory: Memory) -> None:
    payment = world.payment(world.withdrawal("acme", 4_000_000), branch=7)
    coins = [world.coin(7, 3_000_000, index=4), world.coin(7, 3_000_000, change=True, index=2)]
    bundle = world.bundle([payment], [world.opening("acme", 7)], world.transaction([payment], coins, fee_sat=4_000))
    assert [entry.path for entry in world.judge(bundle, memory).effect.inputs] == [(7, 0, 4), (7, 1, 2)]


def test_signs_a_pool_paying_two_of_its_clients(world: World, memory: Memory) -> None:
    payments = [
        world.payment(world.withdrawal(client, amount, destination=address(client)), branch=1, segregation="omnibus")
        for client, amount in (("bee", 1_000_000), ("cod", 2_000_000))
    ]
    openings = [world.opening(client, 1, segregation="omnibus") for client in ("bee", "cod")]
    psbt = world.transaction(payments, [world.coin(1, BTC)], fee_sat=5_000)
    assert world.judge(world.bundle(payments, openings, psbt), memory).effect.paid_sat == 3_000_000


def test_signs_for_a_client_whose_opening_it_remembers(world: World, memory: Memory) -> None:
    remember(memory, world.judge(world.small(), memory))
    payment = world.payment(world.withdrawal("acme", 3_000_000), branch=7)
    psbt = world.transaction([payment], [world.coin(7, 5_000_000, salt="other")], fee_sat=3_000)
    assert world.judge(world.bundle([payment], [], psbt, name="bnd_2"), memory)


def test_signs_a_replacement_with_a_higher_fee_and_one_more_coin(world: World, memory: Memory) -> None:
    payment = world.payment(world.withdrawal("acme", 2_000_000), branch=7)
    coin, more = world.coin(7, 2_004_000), world.coin(7, 900_000, index=1)
    first = world.transaction([payment], [coin], fee_sat=4_000)
    openings = [world.opening("acme", 7)]
    remember(memory, world.judge(world.bundle([payment], openings, first), memory))
    bumped = world.transaction([payment], [coin, more], fee_sat=9_000)
    verdict = world.judge(world.bundle([payment], openings, bumped, name="bnd_2"), memory)
    assert verdict.effect.change_sat == 895_000


def test_counts_a_bumped_intent_once_against_the_day(world: World, memory: Memory) -> None:
    from custody.cosigner.limits import Limits

    payment = world.payment(world.withdrawal("acme", 2_000_000), branch=7)
    coin, openings = world.coin(7, 3_000_000), [world.opening("acme", 7)]
    limits = Limits(per_day_sat=2_000_000)
    for place, fee_sat in enumerate((3_000, 6_000, 9_000)):
        psbt = world.transaction([payment], [coin], fee_sat=fee_sat)
        bundle = world.bundle([payment], openings, psbt, name=f"bnd_{place}")
        remember(memory, world.judge(bundle, memory, limits=limits))


def test_accepts_approvals_of_an_opening_that_expired_since(world: World, memory: Memory) -> None:
    opening = world.opening("acme", 7)
    assert opening.approvals[0].statement.not_after < NOW
    assert world.judge(world.small(), memory)


def test_signs_once_the_delay_since_first_seen_is_over(world: World, memory: Memory) -> None:
    slow = World(policy=DELAYED)
    bundle = slow.large()
    memory.note_seen([bundle.payments[0].proven.intent.digest], now=NOW - timedelta(hours=1))
    assert slow.judge(bundle, memory)


def test_signs_beside_a_third_approval_that_has_lapsed(world: World, memory: Memory) -> None:
    bundle = world.large()
    (payment,) = bundle.payments
    digest, hour = payment.proven.intent.digest, timedelta(hours=1)
    old = approval("carol", digest, given_at=NOW - 2 * hour, not_after=NOW - hour)
    proven = replace(payment.proven, approvals=(old, *payment.proven.approvals))
    verdict = world.judge(replace(bundle, payments=(replace(payment, proven=proven),)), memory)
    assert {nonce[0] for nonce in verdict.nonces} == {"alice", "bob"}
