"""Safes: what is signed, what the verdict says of it, and what is remembered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from custody.chains.ethereum.offline.signatures import parse_signature, recover_owner
from custody.chains.ethereum.spending import EthereumSpending
from custody.chains.spending import Turn
from custody.cosigner.answering import Answer, Desk, Signed, SignedRefusal
from custody.cosigner.limits import Limits, parse_settings
from custody.cosigner.memory import Memory
from custody.cosigner.reasons import CosignerRefusal, Reason
from custody.evidence.bundle import Bundle
from custody.evidence.words import say
from tests.cosigner.builders import NOW, World, cosigner_key, remember
from tests.cosigner.safe_builders import ANVIL, ETHER, NATIVE, SafeWorld, safe_key, somebody, token_asset


@pytest.fixture(scope="module")
def safes() -> SafeWorld:
    return SafeWorld()


@pytest.fixture
def desk(safes: SafeWorld, memory: Memory) -> Desk:
    memory.pin(safes.root.hash, now=NOW)
    return Desk(safes.key, memory, Limits())


def answer(desk: Desk, bundle: Bundle, *, yes: bool = True) -> Answer:
    """What the keyholder answers at ``NOW``, after the way every bundle comes: as JSON."""
    return desk.answer(Bundle.parse(bundle.to_json()), confirm=lambda _verdict: yes, clock=lambda: NOW)


def reason_of(world: SafeWorld, bundle: Bundle, memory: Memory, limits: Limits | None = None) -> Reason:
    with pytest.raises(CosignerRefusal) as refusal:
        world.judge(bundle, memory, limits=limits)
    return refusal.value.reason


def test_signs_ether_as_the_owner_the_daemon_knows(safes: SafeWorld, desk: Desk) -> None:
    bundle = safes.ether()
    signed = answer(desk, bundle)
    assert isinstance(signed, Signed)
    unsigned = safes.composed(bundle.payments)
    assert signed.spend == unsigned.spend
    assert signed.to_json("north-safe") == {"cosigner": "north-safe", "signature": signed.signed}
    owner = recover_owner(unsigned.digest, parse_signature(bytes.fromhex(signed.signed[2:])))
    assert safes.key.header.account_key.text.endswith(owner)
    read = EthereumSpending(ANVIL.chain).read_answer(
        signed.signed,
        unsigned=bundle.unsigned,
        inputs=[Turn(safes.safe("acme"), 0, "acme", 0)],
        keyset=safes.safe_keyset,
        branch=7,
        cosigner="north-safe",
    )
    assert read == {"0": signed.signed[2:]}


def test_answers_the_same_bundle_the_same_way(safes: SafeWorld, desk: Desk) -> None:
    assert answer(desk, safes.ether()) == answer(desk, safes.ether(), yes=False)


def test_keeps_to_a_refusal_under_any_other_bundle(safes: SafeWorld, desk: Desk) -> None:
    refused = answer(desk, safes.ether(), yes=False)
    assert isinstance(refused, SignedRefusal)
    assert refused.refusal.reason == Reason.PERSON_DECLINED
    again = answer(desk, safes.ether(name="bnd_2"))
    assert isinstance(again, SignedRefusal)
    assert again.refusal.reason == Reason.REFUSED_BEFORE
    member = safes.safe_keyset.cosigner("north-safe")
    assert member is not None
    assert member.verifies(again.refusal.message, again.signature)


def test_a_new_intent_with_the_same_bytes_is_judged_anew(safes: SafeWorld, desk: Desk) -> None:
    """A SafeTx has no field to tell two intents apart: who asks again after a refusal asks for the same bytes."""
    refused = answer(desk, safes.ether(), yes=False)
    assert isinstance(refused, SignedRefusal)
    asked_again = safes.paying(safes.withdrawal("acme", ETHER, idempotency_key="again"), name="bnd_2")
    signed = answer(desk, asked_again)
    assert isinstance(signed, Signed)
    assert signed.spend == safes.composed(safes.ether().payments).spend
    late = answer(desk, safes.ether(name="bnd_3"))
    assert isinstance(late, SignedRefusal), "the refused intent stays refused, signed bytes or not"
    assert late.refusal.reason == Reason.REFUSED_BEFORE
    assert answer(desk, asked_again, yes=False) == signed


def test_a_withdrawal_whose_giving_up_was_refused_can_be_given_up_by_a_new_request(
    safes: SafeWorld, desk: Desk
) -> None:
    paid = safes.ether()
    assert isinstance(answer(desk, paid), Signed)

    def given_up(name: str, key: str) -> Bundle:
        respend = safes.give_up(paid.payments[0].proven, idempotency_key=key)
        return safes.safe_bundle([respend], safes.composed([respend]), name=name)

    assert isinstance(answer(desk, given_up("bnd_2", "one"), yes=False), SignedRefusal)
    again = answer(desk, given_up("bnd_3", "one"))
    assert isinstance(again, SignedRefusal)
    assert again.refusal.reason == Reason.REFUSED_BEFORE
    assert isinstance(answer(desk, given_up("bnd_4", "two")), Signed)


def test_signs_a_registered_token(safes: SafeWorld, memory: Memory) -> None:
    verdict = safes.judge(safes.paying(safes.usdx("acme", 2_500_000)), memory)
    assert verdict.effect.outputs == ((somebody("payee"), 2_500_000),)
    assert "Pay 2.500000 USDX" in "\n".join(verdict.words)
    assert verdict.memory.intents[0].asset == token_asset().id


def test_signs_a_batch_of_intents_in_any_order(safes: SafeWorld, memory: Memory) -> None:
    payments = [
        safes.payment(safes.withdrawal("acme", ETHER, destination=somebody("one")), branch=7),
        safes.payment(safes.usdx("acme", 5, destination=somebody("two")), branch=7),
        safes.payment(safes.usdx("acme", 5, destination=somebody("two"), idempotency_key="again"), branch=7),
    ]
    unsigned = safes.composed(payments[::-1], nonce=3)
    verdict = safes.judge(safes.safe_bundle(payments, unsigned), memory)
    assert verdict.effect.claims == {f"{safes.safe('acme')}#3": 0}
    assert "it pays these 3 and nothing else" in "\n".join(verdict.words)


def test_signs_for_a_pool_out_of_any_clients_safe_of_it(safes: SafeWorld, memory: Memory) -> None:
    openings = [safes.opening(client, 1, segregation="omnibus") for client in ("bee", "cod")]
    payment = safes.payment(safes.withdrawal("bee", ETHER), branch=1, segregation="omnibus")
    unsigned = safes.composed([payment], client="cod", index=2)
    verdict = safes.judge(safes.safe_bundle([payment], unsigned, openings=openings), memory)
    assert f"Safe {safes.safe('cod', 2)}, client cod" in "\n".join(verdict.words)


def test_says_in_plain_words_what_will_happen(safes: SafeWorld, memory: Memory) -> None:
    bundle = safes.ether(6 * ETHER, nonce=4, approvers=("alice", "bob"))
    text = "\n".join(safes.judge(bundle, memory).words)
    for part in (
        f"Pay 6.000000000000000000 ETH to {somebody('payee')}",
        "client acme, vault kst_safes/7, on eip155:31337",
        "network fee at most 0.010000000000000000 ETH",
        "2 of operators agree: alice, bob did",
        f"number 4 of Safe {safes.safe('acme')}, client acme, vault kst_safes/7: it pays that once and nothing else",
        "never out of the Safe",
        f"transaction {safes.composed(bundle.payments, nonce=4).spend}, code ",
    ):
        assert part in text


def test_a_fee_of_a_token_payment_is_not_said_in_the_token(safes: SafeWorld, memory: Memory) -> None:
    text = "\n".join(safes.judge(safes.paying(safes.usdx("acme", 1)), memory).words)
    assert "network fee at most 0.010000000000000000 ETH" in text
    (line,) = [
        each
        for each in say(safes.paying(safes.usdx("acme", 1)).payments[0].proven.intent, asset=token_asset())
        if "fee" in each
    ]
    assert "base units of the chain's own asset" in line


def test_a_large_amount_is_remembered_to_the_unit(safes: SafeWorld, memory: Memory) -> None:
    amount = 4_999_999_999_999_999_999
    remember(memory, safes.judge(safes.ether(amount), memory))
    (signed,) = memory.signed_since(NOW)
    assert (signed.outputs[0][1], signed.intents[0].units, signed.intents[0].asset) == (amount, amount, NATIVE.id)


def test_a_keyholder_keeps_limits_for_each_asset(safes: SafeWorld, memory: Memory) -> None:
    limits = Limits().changed(parse_settings(f"per_tx_units.ETH={2 * ETHER},per_day_units.{NATIVE.id}={3 * ETHER}"))
    assert Limits.from_json(limits.to_json()) == limits
    assert reason_of(safes, safes.ether(2 * ETHER + 1), memory, limits) is Reason.OVER_OWN_LIMIT
    remember(memory, safes.judge(safes.ether(2 * ETHER), memory, limits=limits))
    assert reason_of(safes, safes.ether(ETHER + 1, nonce=1, name="bnd_2"), memory, limits) is Reason.OVER_OWN_LIMIT
    assert safes.judge(safes.ether(ETHER, nonce=1, name="bnd_2"), memory, limits=limits)
    usdx = safes.paying(safes.usdx("acme", 4 * 10**6), nonce=1, name="bnd_3")
    assert safes.judge(usdx, memory, limits=limits), "another asset is not counted with it"


def test_a_batch_counts_each_asset_by_itself(safes: SafeWorld, memory: Memory) -> None:
    payments = [
        safes.payment(safes.withdrawal("acme", ETHER), branch=7),
        safes.payment(safes.usdx("acme", 5), branch=7),
    ]
    batch = safes.safe_bundle(payments, safes.composed(payments))
    exact = {"per_tx_units.ETH": str(ETHER), "per_day_units.ETH": str(ETHER), "per_day_units.USDX": "5"}
    assert safes.judge(batch, memory, limits=Limits().changed(exact))
    for name in exact:
        less = Limits().changed({**exact, name: str(int(exact[name]) - 1)})
        assert reason_of(safes, batch, memory, less) is Reason.OVER_OWN_LIMIT, name


def test_giving_up_counts_as_nothing_paid(safes: SafeWorld, memory: Memory) -> None:
    limits, paid = Limits().changed({"per_tx_units.ETH": "0"}), safes.ether()
    assert reason_of(safes, paid, memory, limits) is Reason.OVER_OWN_LIMIT
    respend = safes.give_up(paid.payments[0].proven)
    assert safes.judge(safes.safe_bundle([respend], safes.composed([respend])), memory, limits=limits)


def test_a_frozen_clients_payment_can_be_given_up_and_a_frozen_vault_signs_nothing(
    safes: SafeWorld, memory: Memory
) -> None:
    paid = safes.ether()
    respend = safes.give_up(paid.payments[0].proven)
    bundle = safes.safe_bundle([respend], safes.composed([respend]))
    stopped = safes.status(frozen=("client:acme", f"asset:{NATIVE.id}"))
    assert reason_of(safes, replace(paid, status=stopped), memory) is Reason.FROZEN
    assert safes.judge(replace(bundle, status=stopped), memory)
    vault = bundle.payments[0].proven.intent.vault
    for name in ("everything", f"vault:{vault}"):
        assert reason_of(safes, replace(bundle, status=safes.status(frozen=(name,))), memory) is Reason.FROZEN


def test_limits_on_bitcoin_bind_no_other_asset(safes: SafeWorld, memory: Memory) -> None:
    assert safes.judge(safes.ether(), memory, limits=Limits(per_tx_sat=1, per_day_sat=1))


def test_gives_a_withdrawal_up_at_its_own_turn(safes: SafeWorld, memory: Memory) -> None:
    paid = safes.ether(nonce=5)
    remember(memory, safes.judge(paid, memory))
    respend = safes.give_up(paid.payments[0].proven)
    verdict = safes.judge(safes.safe_bundle([respend], safes.composed([respend], nonce=5), name="bnd_2"), memory)
    text = "\n".join(verdict.words)
    assert "Give up the withdrawal of 1.000000000000000000 ETH" in text
    assert "nobody is paid and the number is used up" in text
    remember(memory, verdict)
    assert safes.judge(paid, memory), "the payment at the same turn may still be asked for"


def test_gives_one_of_a_batch_up_at_the_batchs_turn(safes: SafeWorld, memory: Memory) -> None:
    payments = [
        safes.payment(safes.withdrawal("acme", ETHER, destination=somebody(name), idempotency_key=name), branch=7)
        for name in ("one", "two")
    ]
    remember(memory, safes.judge(safes.safe_bundle(payments, safes.composed(payments)), memory))
    respend = safes.give_up(payments[0].proven)
    verdict = safes.judge(safes.safe_bundle([respend], safes.composed([respend]), name="bnd_2"), memory)
    remember(memory, verdict)
    alone = safes.safe_bundle(payments[1:], safes.composed(payments[1:], nonce=1), name="bnd_3")
    assert reason_of(safes, alone, memory) is Reason.NOT_A_REPLACEMENT, "the other one keeps its turn too"


def test_one_root_serves_a_cosigner_of_each_chain(safes: SafeWorld, memory: Memory) -> None:
    coins = World(policy=safes.policy)
    vars(coins).update(root=safes.root, signed_root=safes.signed_root)
    assert coins.judge(coins.small(), memory)
    assert safes.judge(safes.ether(), memory)


def test_a_key_of_one_chain_signs_nothing_of_the_other(safes: SafeWorld, memory: Memory, tmp_path: Path) -> None:
    coins = Memory.create(tmp_path / "coins")
    coins.pin(safes.root.hash, now=NOW)
    desk = Desk(cosigner_key("north"), coins, Limits())
    refused = answer(desk, safes.ether())
    assert isinstance(refused, SignedRefusal)
    assert refused.refusal.reason == Reason.WRONG_CHAIN


def test_refuses_a_key_of_the_other_chain_in_code_too(safes: SafeWorld, memory: Memory) -> None:
    from custody.cosigner.keys import WrongKey

    unsigned, coins = safes.composed(safes.ether().payments), World()
    effect = coins.judge(coins.small(), memory).effect
    with pytest.raises(WrongKey, match="signs no coins"):
        effect.signed_by(safe_key("north-safe"))
    with pytest.raises(WrongKey):
        cosigner_key("north").sign_safe_tx(unsigned)
    with pytest.raises(WrongKey):
        cosigner_key("north-safe", "", "sepolia").sign_safe_tx(unsigned)
