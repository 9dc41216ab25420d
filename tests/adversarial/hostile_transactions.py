"""Bundles whose transaction does something else than the intents say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from custody.chains.bitcoin.offline.psbt import compose
from custody.chains.bitcoin.offline.psbt.composing import PayOutput
from custody.chains.bitcoin.offline.psbt.maps import (
    IN_DERIVATION,
    IN_PREVIOUS,
    IN_REDEEM_SCRIPT,
    IN_SIGHASH,
    IN_WITNESS_SCRIPT,
    IN_WITNESS_UTXO,
    OUT_DERIVATION,
    key_of,
)
from custody.chains.bitcoin.offline.psbt.view import write_origin
from custody.chains.bitcoin.offline.transaction import Transaction, TransactionOutput, write_output
from custody.cosigner.memory import Memory
from custody.cosigner.reasons import Reason
from custody.evidence.bundle import Bundle, Payment
from custody.evidence.requests import WithdrawalRequest
from tests.adversarial.hostile import (
    new_field,
    new_outputs,
    pay_acme,
    refused,
    with_psbt,
)
from tests.cosigner.builders import (
    REGTEST,
    World,
)


@refused(Reason.PSBT_MALFORMED)
def psbt_that_is_garbage(world: World, memory: Memory) -> Bundle:
    return world.small(unsigned="cHNidP8garbage")


@refused(Reason.PSBT_MALFORMED)
def psbt_with_key_paths_of_mainnet(world: World, memory: Memory) -> Bundle:
    mainnet = (2**31 + 48, 2**31, 2**31, 2**31 + 2, 7, 0, 0)
    fingerprint = world.myself.account_key.fingerprint

    def edit(_place: int, fields: dict[bytes, bytes]) -> Mapping[bytes, bytes]:
        ours = key_of(IN_DERIVATION, next(iter(world.branch(7).derive(change=False, index=0).pubkeys)))
        return {**fields, ours: write_origin((fingerprint, mainnet))}

    return with_psbt(world.small(), inputs=edit)


@refused(Reason.TIME_LOCKED)
def transaction_locked_until_later(world: World, memory: Memory) -> Bundle:
    return with_psbt(world.small(), transaction=lambda found: replace(found, locktime=900_000))


@refused(Reason.TIME_LOCKED)
def input_with_a_relative_lock(world: World, memory: Memory) -> Bundle:
    def edit(found: Transaction) -> Transaction:
        return replace(found, inputs=tuple(replace(entry, sequence=1000) for entry in found.inputs))

    return with_psbt(world.small(), transaction=edit)


@refused(Reason.SIGHASH_NOT_ALL)
def p073_sighash_none(world: World, memory: Memory) -> Bundle:
    return with_psbt(world.small(), **new_field(IN_SIGHASH, (2).to_bytes(4, "little")))


@refused(Reason.SIGHASH_NOT_ALL)
def p073_sighash_single(world: World, memory: Memory) -> Bundle:
    return with_psbt(world.small(), **new_field(IN_SIGHASH, (3).to_bytes(4, "little")))


@refused(Reason.SIGHASH_NOT_ALL)
def p073_sighash_all_anyone_can_pay(world: World, memory: Memory) -> Bundle:
    return with_psbt(world.small(), **new_field(IN_SIGHASH, (0x81).to_bytes(4, "little")))


@refused(Reason.INPUT_AMOUNT_UNPROVEN)
def p074_previous_transaction_missing(world: World, memory: Memory) -> Bundle:
    return with_psbt(world.small(), **new_field(IN_PREVIOUS, None))


@refused(Reason.INPUT_AMOUNT_UNPROVEN)
def p074_previous_transaction_of_another_coin(world: World, memory: Memory) -> Bundle:
    other = world.coin(7, 10_000_000, salt="other").previous
    return with_psbt(world.small(), **new_field(IN_PREVIOUS, other.raw))


@refused(Reason.INPUT_AMOUNT_UNPROVEN)
def p074_witness_utxo_with_a_smaller_amount(world: World, memory: Memory) -> Bundle:
    script = world.branch(7).derive(change=False, index=0).script_pubkey
    return with_psbt(world.small(), **new_field(IN_WITNESS_UTXO, write_output(TransactionOutput(9_000_000, script))))


@refused(Reason.INPUT_NOT_OURS)
def input_of_another_clients_branch(world: World, memory: Memory) -> Bundle:
    payment = pay_acme(world)
    psbt = world.transaction([payment], [world.coin(7, 3_000_000), world.coin(8, 3_000_000)], fee_sat=3_000)
    return world.bundle([payment], [world.opening("acme", 7)], psbt)


@refused(Reason.INPUT_NOT_OURS)
def all_inputs_of_another_clients_branch(world: World, memory: Memory) -> Bundle:
    payment = pay_acme(world)
    psbt = world.transaction([payment], [world.coin(8, 3_000_000)], fee_sat=3_000)
    return world.bundle([payment], [world.opening("acme", 7)], psbt)


@refused(Reason.INPUT_NOT_OURS)
def input_of_another_keyset_that_names_our_path(world: World, memory: Memory) -> Bundle:
    foreign = World(cosigners=("north", "mallory", "eve"))
    payment = pay_acme(world)
    psbt = world.transaction([payment], [foreign.coin(7, 3_000_000)], fee_sat=3_000)
    return world.bundle([payment], [world.opening("acme", 7)], psbt)


@refused(Reason.INPUT_NOT_OURS)
def input_without_our_derivation(world: World, memory: Memory) -> Bundle:
    def edit(_place: int, fields: dict[bytes, bytes]) -> Mapping[bytes, bytes]:
        return {key: value for key, value in fields.items() if key[0] != IN_DERIVATION}

    return with_psbt(world.small(), inputs=edit)


@refused(Reason.INPUT_NOT_OURS)
def input_under_another_index_than_its_script(world: World, memory: Memory) -> Bundle:
    fields_of_5 = world.branch(7).origins(change=False, index=5)

    def edit(_place: int, fields: dict[bytes, bytes]) -> Mapping[bytes, bytes]:
        kept = {key: value for key, value in fields.items() if key[0] != IN_DERIVATION}
        moved = {key_of(IN_DERIVATION, key): write_origin(origin) for key, origin in fields_of_5.items()}
        return dict(sorted({**kept, **moved}.items()))

    return with_psbt(world.small(), inputs=edit)


@refused(Reason.INPUT_NOT_OURS)
def input_with_another_witness_script(world: World, memory: Memory) -> Bundle:
    other = world.branch(7).derive(change=False, index=1).witness_script
    return with_psbt(world.small(), **new_field(IN_WITNESS_SCRIPT, other))


@refused(Reason.INPUT_NOT_OURS)
def input_without_a_witness_script(world: World, memory: Memory) -> Bundle:
    return with_psbt(world.small(), **new_field(IN_WITNESS_SCRIPT, None))


@refused(Reason.INPUT_NOT_OURS)
def input_with_a_redeem_script(world: World, memory: Memory) -> Bundle:
    script = world.branch(7).derive(change=False, index=0).script_pubkey
    return with_psbt(world.small(), **new_field(IN_REDEEM_SCRIPT, script))


@refused(Reason.PAYMENT_MISSING)
def output_of_another_amount(world: World, memory: Memory) -> Bundle:
    return with_psbt(world.small(), **new_outputs(lambda found: [replace(found[0], amount_sat=1_999_999), *found[1:]]))


@refused(Reason.PAYMENT_MISSING)
def output_of_a_larger_amount(world: World, memory: Memory) -> Bundle:
    return with_psbt(world.small(), **new_outputs(lambda found: [replace(found[0], amount_sat=2_000_001), *found[1:]]))


@refused(Reason.PAYMENT_MISSING)
def output_to_another_destination(world: World, memory: Memory) -> Bundle:
    thief = b"\x00\x14" + b"\x66" * 20
    return with_psbt(world.small(), **new_outputs(lambda found: [replace(found[0], script_pubkey=thief), *found[1:]]))


@refused(Reason.PAYMENT_MISSING)
def two_equal_payments_with_one_output(world: World, memory: Memory) -> Bundle:
    payments = [pay_acme(world, idempotency_key=key) for key in ("one", "two")]
    psbt = world.transaction(payments[:1], [world.coin(7, 10_000_000)], fee_sat=3_000)
    return world.bundle(payments, [world.opening("acme", 7)], psbt)


@refused(Reason.CHANGE_NOT_OURS)
def one_more_output_to_a_stranger(world: World, memory: Memory) -> Bundle:
    stranger = TransactionOutput(1_000, b"\x00\x14" + b"\x66" * 20)
    return with_psbt(world.small(), **new_outputs(lambda found: [*found, stranger]))


@refused(Reason.CHANGE_NOT_OURS)
def p072_change_swapped_for_a_foreign_script_with_our_derivation_fields(world: World, memory: Memory) -> Bundle:
    thief = b"\x00\x20" + b"\x66" * 32
    return with_psbt(world.small(), **new_outputs(lambda found: [found[0], replace(found[1], script_pubkey=thief)]))


@refused(Reason.CHANGE_NOT_OURS)
def p072_change_to_a_keyset_that_shares_only_our_key(world: World, memory: Memory) -> Bundle:
    foreign = World(cosigners=("north", "mallory", "eve")).branch(7).derive(change=True, index=0)
    return with_psbt(
        world.small(), **new_outputs(lambda found: [found[0], replace(found[1], script_pubkey=foreign.script_pubkey)])
    )


@refused(Reason.CHANGE_NOT_OURS)
def change_to_another_clients_branch(world: World, memory: Memory) -> Bundle:
    payment, coin = pay_acme(world), world.coin(7, 10_000_000)
    other = world.branch(8)
    script = other.derive(change=True, index=0).script_pubkey
    outputs = [*_paid(world, payment), PayOutput(script, 7_997_000, (other, 0))]
    return world.bundle(
        [payment], [world.opening("acme", 7)], compose(inputs=[coin.spend], outputs=outputs, network=REGTEST)
    )


@refused(Reason.CHANGE_NOT_OURS)
def change_to_a_deposit_address_of_the_same_vault(world: World, memory: Memory) -> Bundle:
    receive = world.branch(7)
    derived = receive.derive(change=False, index=3)

    def fields(place: int, found: dict[bytes, bytes]) -> Mapping[bytes, bytes]:
        if place == 0:
            return found
        origins = receive.origins(change=False, index=3)
        return dict(sorted((key_of(OUT_DERIVATION, key), write_origin(origin)) for key, origin in origins.items()))

    swap = new_outputs(lambda found: [found[0], replace(found[1], script_pubkey=derived.script_pubkey)])
    return with_psbt(world.small(), outputs=fields, **swap)


@refused(Reason.CHANGE_NOT_OURS)
def change_where_no_restore_would_find_it(world: World, memory: Memory) -> Bundle:
    payment = pay_acme(world)
    psbt = world.transaction([payment], [world.coin(7, 10_000_000)], fee_sat=3_000, change_index=1_000_001)
    return world.bundle([payment], [world.opening("acme", 7)], psbt)


@refused(Reason.CHANGE_NOT_OURS)
def change_without_derivation_fields(world: World, memory: Memory) -> Bundle:
    return with_psbt(world.small(), outputs=lambda _place, _fields: {})


@refused(Reason.CHANGE_TWICE)
def change_in_two_outputs(world: World, memory: Memory) -> Bundle:
    payment, branch = pay_acme(world), world.branch(7)
    change = [
        PayOutput(branch.derive(change=True, index=index).script_pubkey, amount_sat, (branch, index))
        for index, amount_sat in ((0, 7_000_000), (1, 997_000))
    ]
    psbt = compose(inputs=[world.coin(7, 10_000_000).spend], outputs=[*_paid(world, payment), *change], network=REGTEST)
    return world.bundle([payment], [world.opening("acme", 7)], psbt)


def _paid(world: World, payment: Payment) -> list[PayOutput]:
    request = payment.proven.intent.request
    assert isinstance(request, WithdrawalRequest)
    script = world.transaction([payment], [world.coin(7, request.amount)], fee_sat=0).outputs[0].script_pubkey
    return [PayOutput(script, request.amount)]
