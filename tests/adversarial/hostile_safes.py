"""Bundles for Safes whose bytes do something else than the intents say, or contradict what was signed before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from custody.chains.ethereum.offline.address import ZERO
from custody.chains.ethereum.offline.deployments import (
    MULTI_SEND,
    MULTI_SEND_CALL_ONLY,
    SAFE,
)
from custody.chains.ethereum.offline.descriptor import safe_descriptor
from custody.chains.ethereum.offline.keccak import selector
from custody.chains.ethereum.offline.multisend import Call
from custody.chains.ethereum.offline.network import network
from custody.chains.ethereum.offline.proxy import SafeSetup
from custody.chains.ethereum.offline.safe_tx import DELEGATE_CALL
from custody.cosigner.memory import Memory
from custody.cosigner.reasons import Reason
from custody.evidence.bundle import Bundle, Payment, Refusal
from tests.adversarial.hostile import Case, refused
from tests.cosigner.builders import NOW, World, remember
from tests.cosigner.safe_builders import (
    ANVIL,
    ETHER,
    NATIVE,
    TOKEN,
    SafeWorld,
    batch,
    sign_safe_root,
    somebody,
    token_asset,
)

THIEF = somebody("thief")


@cache
def safes() -> SafeWorld:
    """The world with Safes; shared, for it is frozen."""
    return SafeWorld()


def case(bundle: Bundle, *, judge: SafeWorld | None = None) -> Case:
    """A bundle as the world with Safes judges it."""
    return Case(bundle, judge=judge or safes())


def ether_with(**fields: Any) -> Case:
    """One ether for the payee, with fields of the SafeTx changed."""
    return case(safes().ether(**fields))


def one_ether(**changes: Any) -> Payment:
    """A payment of client ``acme``."""
    return safes().payment(safes().withdrawal("acme", ETHER, **changes), branch=7)


def batched(calls: Sequence[Call], *payments: Payment, **fields: Any) -> Case:
    """A batch of these calls, said to make these payments."""
    world = safes()
    unsigned = replace(world.composed(payments), tx=replace(batch(calls, nonce=0), **fields))
    return case(world.safe_bundle(payments, unsigned))


def two() -> tuple[Payment, Payment]:
    """Two payments that a batch can make."""
    return one_ether(), one_ether(destination=somebody("other"), idempotency_key="two")


def calldata(signature: str, *words: int) -> bytes:
    """A call with numbers for arguments."""
    return selector(signature) + b"".join(word.to_bytes(32, "big") for word in words)


@refused(Reason.SAFE_TX_MALFORMED)
def safe_tx_that_is_garbage(world: World, memory: Memory) -> Case:
    return case(replace(safes().ether(), unsigned="garbage"))


@refused(Reason.SAFE_TX_MALFORMED)
def safe_tx_with_a_blank_more(world: World, memory: Memory) -> Case:
    bundle = safes().ether()
    return case(replace(bundle, unsigned=bundle.unsigned.replace(",", ", ", 1)))


@refused(Reason.SAFE_TX_MALFORMED)
def safe_tx_with_a_field_more(world: World, memory: Memory) -> Case:
    bundle = safes().ether()
    return case(replace(bundle, unsigned=bundle.unsigned.replace('"chain_id"', '"a":1,"chain_id"', 1)))


@refused(Reason.SAFE_TX_MALFORMED)
def p094_safe_tx_of_another_network(world: World, memory: Memory) -> Case:
    bundle = safes().ether()
    unsigned = replace(safes().composed(bundle.payments), network=network("sepolia"))
    return case(replace(bundle, unsigned=unsigned.text))


@refused(Reason.WRONG_CHAIN)
def p094_bundle_of_another_network(world: World, memory: Memory) -> Case:
    return case(replace(safes().ether(), chain="eip155:11155111"))


@refused(Reason.DELEGATE_CALL)
def p084_delegatecall_to_a_stranger(world: World, memory: Memory) -> Case:
    return ether_with(to=somebody("contract"), value=0, data=b"\x01\x02\x03\x04", operation=DELEGATE_CALL)


@refused(Reason.DELEGATE_CALL)
def p084_delegatecall_to_the_payee(world: World, memory: Memory) -> Case:
    return ether_with(operation=DELEGATE_CALL)


@refused(Reason.DELEGATE_CALL)
def p084_delegatecall_to_the_multisend_that_can_delegate(world: World, memory: Memory) -> Case:
    payments = two()
    return batched([safes().call(one) for one in payments], *payments, to=MULTI_SEND.address)


@refused(Reason.DELEGATE_CALL)
def p084_delegatecall_to_another_singleton(world: World, memory: Memory) -> Case:
    return ether_with(to=SAFE.address, value=0, data=b"", operation=DELEGATE_CALL)


@refused(Reason.DELEGATE_CALL)
def p085_batch_with_a_delegatecall_inside(world: World, memory: Memory) -> Case:
    payments = two()
    made = batch([safes().call(one) for one in payments], nonce=0)
    at = made.data.index(b"\x00" + bytes.fromhex(somebody("other")[2:]))
    changed = replace(made, data=made.data[:at] + b"\x01" + made.data[at + 1 :])
    return case(safes().safe_bundle(payments, replace(safes().composed(payments), tx=changed)))


@refused(Reason.PAYMENT_NOT_ASKED)
def p085_batch_with_a_second_transfer(world: World, memory: Memory) -> Case:
    payment = one_ether()
    return batched([safes().call(payment), Call(THIEF, ETHER, b"")], payment)


@refused(Reason.PAYMENT_NOT_ASKED)
def p085_batch_that_makes_one_payment_twice(world: World, memory: Memory) -> Case:
    payment = one_ether()
    return batched([safes().call(payment), safes().call(payment)], payment)


@refused(Reason.BATCH_NOT_CANONICAL)
def p085_batch_with_a_transfer_behind_its_end(world: World, memory: Memory) -> Case:
    payments = two()
    made = batch([safes().call(one) for one in payments], nonce=0)
    hidden = replace(made, data=made.data + bytes(32))
    return case(safes().safe_bundle(payments, replace(safes().composed(payments), tx=hidden)))


@refused(Reason.BATCH_NOT_CANONICAL)
def batch_that_carries_ether_of_its_own(world: World, memory: Memory) -> Case:
    payments = two()
    return batched([safes().call(one) for one in payments], *payments, value=1)


@refused(Reason.BATCH_NOT_CANONICAL)
def batch_of_one(world: World, memory: Memory) -> Case:
    payment = one_ether()
    return batched([safes().call(payment)], payment)


@refused(Reason.BATCH_NOT_CANONICAL)
def batch_inside_a_batch(world: World, memory: Memory) -> Case:
    payment = one_ether()
    inner = batch([Call(THIEF, 1, b""), Call(THIEF, 2, b"")], nonce=0)
    return batched([safes().call(payment), Call(MULTI_SEND_CALL_ONLY.address, 0, inner.data)], payment)


@refused(Reason.BATCH_NOT_CANONICAL)
def batch_contract_that_is_called(world: World, memory: Memory) -> Case:
    payments = two()
    return batched([safes().call(one) for one in payments], *payments, operation=0)


@refused(Reason.REFUND)
def p087_gas_price(world: World, memory: Memory) -> Case:
    return ether_with(gas_price=1)


@refused(Reason.REFUND)
def p087_gas_token(world: World, memory: Memory) -> Case:
    return ether_with(gas_token=TOKEN)


@refused(Reason.REFUND)
def p087_refund_receiver(world: World, memory: Memory) -> Case:
    return ether_with(refund_receiver=THIEF)


@refused(Reason.REFUND)
def p087_safe_tx_gas(world: World, memory: Memory) -> Case:
    return ether_with(safe_tx_gas=1)


@refused(Reason.REFUND)
def p087_base_gas(world: World, memory: Memory) -> Case:
    return ether_with(base_gas=1)


@refused(Reason.OWN_SAFE)
def safe_that_gets_an_owner_more(world: World, memory: Memory) -> Case:
    data = calldata("addOwnerWithThreshold(address,uint256)", int(THIEF, 16), 1)
    return ether_with(to=safes().safe("acme"), value=0, data=data)


@refused(Reason.OWN_SAFE)
def batch_that_enables_a_module_beside_the_payment(world: World, memory: Memory) -> Case:
    payment = one_ether()
    data = calldata("enableModule(address)", int(THIEF, 16))
    return batched([safes().call(payment), Call(safes().safe("acme"), 0, data)], payment)


@refused(Reason.CONTRACT_CALL)
def call_of_a_contract_nobody_registered(world: World, memory: Memory) -> Case:
    return ether_with(data=calldata("transferOwnership(address)", int(THIEF, 16)), value=0)


@refused(Reason.CONTRACT_CALL)
def token_that_is_asked_for_an_allowance(world: World, memory: Memory) -> Case:
    bundle = safes().paying(safes().usdx("acme", 5), data=calldata("approve(address,uint256)", int(THIEF, 16), 5))
    return case(bundle)


@refused(Reason.CONTRACT_CALL)
def token_that_is_paid_ether(world: World, memory: Memory) -> Case:
    return case(safes().paying(safes().usdx("acme", 5), value=1))


@refused(Reason.CONTRACT_CALL)
def transfer_with_a_byte_behind(world: World, memory: Memory) -> Case:
    request = safes().usdx("acme", 5)
    payment = safes().payment(request, branch=7)
    data = safes().call(payment).data + b"\x00"
    return case(safes().paying(request, data=data))


@refused(Reason.RECIPIENT_LOST)
def payment_of_nothing(world: World, memory: Memory) -> Case:
    return ether_with(value=0)


@refused(Reason.RECIPIENT_LOST)
def payment_to_the_zero_address(world: World, memory: Memory) -> Case:
    return ether_with(to=ZERO)


@refused(Reason.RECIPIENT_LOST)
def payment_to_the_token(world: World, memory: Memory) -> Case:
    return case(safes().paying(safes().usdx("acme", 5, destination=TOKEN)))


@refused(Reason.PAYMENT_MISSING)
def payment_to_another(world: World, memory: Memory) -> Case:
    return ether_with(to=THIEF)


@refused(Reason.PAYMENT_MISSING)
def payment_of_another_amount(world: World, memory: Memory) -> Case:
    return ether_with(value=ETHER + 1)


@refused(Reason.PAYMENT_MISSING)
def ether_instead_of_the_token(world: World, memory: Memory) -> Case:
    return case(safes().paying(safes().usdx("acme", 5), to=somebody("payee"), value=5, data=b""))


@refused(Reason.PAYMENT_MISSING)
def two_equal_intents_paid_once(world: World, memory: Memory) -> Case:
    payments = one_ether(), one_ether(idempotency_key="two")
    return case(safes().safe_bundle(payments, safes().composed(payments[:1])))


@refused(Reason.PAYMENT_MISSING)
def payment_that_only_uses_the_turn_up(world: World, memory: Memory) -> Case:
    return ether_with(to=safes().safe("acme"), value=0)


@refused(Reason.INPUT_NOT_OURS)
def safe_of_nobody(world: World, memory: Memory) -> Case:
    bundle = safes().ether()
    unsigned = replace(safes().composed(bundle.payments), safe=somebody("a Safe"))
    return case(replace(bundle, unsigned=unsigned.text))


@refused(Reason.INPUT_NOT_OURS)
def safe_of_another_client(world: World, memory: Memory) -> Case:
    world_, payment = safes(), one_ether()
    openings = [world_.opening("acme", 7), world_.opening("bee", 8)]
    return case(world_.safe_bundle([payment], world_.composed([payment], client="bee"), openings=openings))


@refused(Reason.INPUT_NOT_OURS)
def safe_of_a_client_of_another_pool(world: World, memory: Memory) -> Case:
    world_ = safes()
    openings = [world_.opening(client, place, segregation="omnibus") for client, place in (("bee", 1), ("cod", 2))]
    payment = world_.payment(world_.withdrawal("bee", ETHER), branch=1, segregation="omnibus")
    return case(world_.safe_bundle([payment], world_.composed([payment], client="cod"), openings=openings))


@refused(Reason.VAULT_NOT_THE_CLIENTS)
def safe_of_two_vaults_at_once(world: World, memory: Memory) -> Case:
    world_ = safes()
    payments = [one_ether(), world_.payment(world_.withdrawal("bee", ETHER), branch=8)]
    openings = [world_.opening("acme", 7), world_.opening("bee", 8)]
    return case(world_.safe_bundle(payments, world_.composed(payments), openings=openings))


@refused(Reason.ASSET_UNKNOWN)
def token_nobody_registered(world: World, memory: Memory) -> Case:
    asset = f"{ANVIL.chain}/erc20:{somebody('another token')}"
    return case(_asking(asset))


@refused(Reason.ASSET_UNKNOWN)
def ether_of_another_network(world: World, memory: Memory) -> Case:
    return case(_asking(network("sepolia").asset.id))


@refused(Reason.ASSET_UNKNOWN)
def bitcoin_out_of_a_safe(world: World, memory: Memory) -> Case:
    return case(_asking(World().root.assets[0].id))


def _asking(asset: str) -> Bundle:
    bundle = safes().ether()
    request = safes().withdrawal("acme", ETHER, asset=asset)
    proven = safes().prove(request, branch=7)
    return replace(bundle, payments=(replace(bundle.payments[0], proven=proven),))


@refused(Reason.ASSET_UNKNOWN)
def ether_with_other_decimals_in_the_root(world: World, memory: Memory) -> Case:
    return _under_odd_asset(safes().ether(), NATIVE.id, decimals=6)


@refused(Reason.ASSET_UNKNOWN)
def token_that_is_said_to_live_elsewhere(world: World, memory: Memory) -> Case:
    return _under_odd_asset(safes().paying(safes().usdx("acme", 5)), token_asset().id, chain="eip155:1")


def _under_odd_asset(bundle: Bundle, asset_id: str, **changes: Any) -> Case:
    odd = tuple(replace(asset, **changes) if asset.id == asset_id else asset for asset in safes().root.assets)
    root = replace(safes().root, assets=odd)
    judge = SafeWorld()
    vars(judge).update(root=root, signed_root=sign_safe_root(root, judge))
    return case(replace(bundle, trust_root=judge.signed_root, status=judge.status()), judge=judge)


@refused(Reason.DESTINATION_INVALID)
def destination_with_a_wrong_checksum(world: World, memory: Memory) -> Case:
    payee = somebody("payee")
    wrong = payee[:-1] + payee[-1].swapcase() if payee[-1].isalpha() else payee.swapcase().replace("X", "x")
    return case(_to(wrong))


@refused(Reason.DESTINATION_INVALID)
def destination_that_is_a_contract_of_safe(world: World, memory: Memory) -> Case:
    return case(_to(MULTI_SEND_CALL_ONLY.address))


@refused(Reason.DESTINATION_INVALID)
def destination_of_another_chain(world: World, memory: Memory) -> Case:
    return case(_to("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"))


def _to(destination: str) -> Bundle:
    bundle = safes().ether()
    payment = safes().payment(safes().withdrawal("acme", ETHER, destination=destination), branch=7)
    return replace(bundle, payments=(payment,))


@refused(Reason.KEYSET_NOT_OURS)
def safe_keyset_that_does_not_hold_our_key(world: World, memory: Memory) -> Case:
    return case(safes().ether(), judge=replace(safes(), me="stranger-safe"))


@refused(Reason.KEYSET_NOT_OURS)
def descriptor_with_a_lower_threshold(world: World, memory: Memory) -> Case:
    return _under_keyset(descriptor=safes().safe_keyset.descriptor.replace("safe(1.4.1,2,[", "safe(1.4.1,1,["))


@refused(Reason.KEYSET_NOT_OURS)
def p093_owners_in_another_order_in_the_descriptor(world: World, memory: Memory) -> Case:
    owners = safes().setup.owners
    first, second = owners[:2]
    text = safes().safe_keyset.descriptor.replace(f"{first},{second}", f"{second},{first}")
    return _under_keyset(descriptor=text)


@refused(Reason.KEYSET_NOT_OURS)
def p093_one_owner_twice(world: World, memory: Memory) -> Case:
    first, second, _ = safes().safe_keyset.cosigners
    return _under_keyset(cosigners=(first, second, replace(second, id="east-safe")))


@refused(Reason.KEYSET_NOT_OURS)
def address_of_a_stranger_beside_a_cosigners_point(world: World, memory: Memory) -> Case:
    first = safes().safe_keyset.cosigners[1]
    swapped = replace(first, account_key=first.account_key[:-42] + THIEF)
    cosigners = (safes().safe_keyset.cosigners[0], swapped, safes().safe_keyset.cosigners[2])
    owners = [member.account_key[-42:] for member in cosigners]
    return _under_keyset(cosigners=cosigners, descriptor=safe_descriptor(SafeSetup.of(owners, 2)))


def _under_keyset(**changes: Any) -> Case:
    judge = SafeWorld()
    keysets = (safes().root.keysets[0], replace(safes().safe_keyset, **changes))
    root = replace(safes().root, keysets=keysets)
    vars(judge).update(root=root, signed_root=sign_safe_root(root, judge))
    return case(replace(safes().ether(), trust_root=judge.signed_root, status=judge.status()), judge=judge)


@refused(Reason.NOT_A_REPLACEMENT)
def p086_the_same_intent_at_another_turn(world: World, memory: Memory) -> Case:
    remember(memory, safes().judge(safes().ether(), memory))
    return case(safes().ether(nonce=1, name="bnd_2"))


@refused(Reason.NOT_A_REPLACEMENT)
def p096_a_payment_retried_at_the_turn_after_the_one_it_was_given_up_at(world: World, memory: Memory) -> Case:
    paid = safes().ether()
    respend = safes().give_up(paid.payments[0].proven)
    remember(memory, safes().judge(safes().safe_bundle([respend], safes().composed([respend])), memory))
    return case(safes().ether(nonce=1, name="bnd_2"))


@refused(Reason.COIN_SIGNED_ELSEWHERE)
def p096_another_payment_at_a_turn_that_was_signed(world: World, memory: Memory) -> Case:
    remember(memory, safes().judge(safes().ether(), memory))
    other = safes().withdrawal("acme", ETHER, destination=THIEF, idempotency_key="other")
    return case(safes().paying(other, name="bnd_2"))


@refused(Reason.COIN_SIGNED_ELSEWHERE)
def p096_another_payment_at_a_turn_that_was_given_up(world: World, memory: Memory) -> Case:
    respend = safes().give_up(safes().ether().payments[0].proven)
    remember(memory, safes().judge(safes().safe_bundle([respend], safes().composed([respend])), memory))
    return case(safes().ether(2 * ETHER, name="bnd_2"))


@refused(Reason.COIN_SIGNED_ELSEWHERE)
def giving_up_a_payment_at_the_turn_of_another(world: World, memory: Memory) -> Case:
    remember(memory, safes().judge(safes().ether(), memory))
    other = safes().ether(2 * ETHER, nonce=1)
    respend = safes().give_up(other.payments[0].proven)
    return case(safes().safe_bundle([respend], safes().composed([respend], nonce=0), name="bnd_2"))


@refused(Reason.NOT_A_REPLACEMENT)
def giving_up_a_payment_at_another_turn_than_its_own(world: World, memory: Memory) -> Case:
    paid = safes().ether()
    remember(memory, safes().judge(paid, memory))
    respend = safes().give_up(paid.payments[0].proven)
    return case(safes().safe_bundle([respend], safes().composed([respend], nonce=1), name="bnd_2"))


@refused(Reason.PAYS_DIFFERENTLY)
def batch_that_drops_a_payment_at_the_same_turn(world: World, memory: Memory) -> Case:
    payments = two()
    remember(memory, safes().judge(safes().safe_bundle(payments, safes().composed(payments)), memory))
    return case(safes().safe_bundle(payments[:1], safes().composed(payments[:1]), name="bnd_2"))


@refused(Reason.REFUSED_BEFORE)
def safe_tx_whose_refusal_was_signed(world: World, memory: Memory) -> Case:
    bundle = safes().ether()
    with memory.exclusive():
        refusal = Refusal(bundle.id, bundle.digest, "north-safe", "person-declined", "no", NOW)
        intents = [payment.proven.intent.digest for payment in bundle.payments]
        memory.record_refusal(refusal, signature="00", spend=safes().composed(bundle.payments).spend, intents=intents)
    return case(safes().ether(name="bnd_again"))


@refused(Reason.NOT_A_NO_OP)
def giving_up_that_pays_the_thief(world: World, memory: Memory) -> Case:
    respend = safes().give_up(safes().ether().payments[0].proven)
    unsigned = safes().composed([respend], to=THIEF, value=ETHER)
    return case(safes().safe_bundle([respend], unsigned))


@refused(Reason.APPROVALS_MISSING)
def giving_up_that_nobody_approved(world: World, memory: Memory) -> Case:
    respend = safes().give_up(safes().ether().payments[0].proven, approvers=("alice",))
    return case(safes().safe_bundle([respend], safes().composed([respend])))


@refused(Reason.RESPEND_NOT_ALONE)
def giving_up_beside_a_payment(world: World, memory: Memory) -> Case:
    payment = one_ether()
    respend = safes().give_up(payment.proven)
    return case(safes().safe_bundle([respend, payment], safes().composed([respend, payment])))


@refused(Reason.RESPEND_NOT_PROVABLE)
def giving_up_where_coins_are_paid(world: World, memory: Memory) -> Bundle:
    bundle = world.small()
    request = safes().give_up(safes().ether().payments[0].proven).proven.intent.request
    proven = world.prove(request, branch=7, approvers=("alice", "bob"))
    return replace(bundle, payments=(replace(bundle.payments[0], proven=proven),))
