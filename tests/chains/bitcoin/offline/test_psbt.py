"""Composing, checking, adding signatures and finalising a vault's own PSBT."""

from __future__ import annotations

from dataclasses import replace

import bdkpython
import pytest
from embit import psbt as embit_psbt
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.chains.bitcoin.offline import sighash
from custody.chains.bitcoin.offline.psbt import (
    NotFinal,
    PayOutput,
    PsbtRefused,
    SignatureRefused,
    add_signatures,
    check_input_amounts,
    combine,
    compose,
    count_valid_signatures,
    extract,
    finalize,
    maps,
    parse_psbt,
    refuse_other_network,
    verified_signatures,
)
from custody.chains.bitcoin.offline.signer import signature_over
from custody.chains.bitcoin.offline.transaction import (
    TransactionOutput,
    parse_transaction,
    write_output,
)
from custody.kernel.errors import InvalidInput
from tests.chains.bitcoin.offline.builders import (
    COSIGNERS,
    MAINNET,
    PAYEE,
    REGTEST,
    STRANGER,
    coin,
    payment,
    pubkeys_of,
    signatures_of,
    vault,
    with_input_field,
    with_transaction,
)

ADA, BEN, CYD = COSIGNERS


def _answer(psbt, place: int):
    return add_signatures(psbt, pubkeys=pubkeys_of(place), signatures=signatures_of(psbt, COSIGNERS[place]))


def _refusal(*, ours, returned, place: int = 0) -> SignatureRefused:
    with pytest.raises(SignatureRefused) as caught:
        verified_signatures(ours=ours, returned=returned, pubkeys=pubkeys_of(place))
    return caught.value


class TestCompose:
    def test_gives_the_same_bytes_for_the_same_values(self):
        assert payment().base64 == payment().base64

    def test_is_read_back_as_it_was_made_by_three_parsers(self):
        psbt = payment()
        again = parse_psbt(psbt.base64, network=REGTEST)
        assert again == psbt
        assert (psbt.version, psbt.locktime, psbt.fee_sat) == (2, 0, 1_000)
        assert parse_psbt(psbt.raw).txid == psbt.txid
        assert embit_psbt.PSBT.from_string(psbt.base64).fee() == 1_000
        assert bdkpython.Psbt(psbt.base64).fee() == 1_000

    def test_records_everything_a_signer_needs(self):
        psbt, ours = payment(), vault()
        check_input_amounts(psbt)
        for index, view in enumerate(psbt.inputs):
            derived = ours.derive(change=False, index=index)
            assert (view.sequence, view.sighash_type, view.amount_sat) == (0xFFFFFFFD, 1, 100_000)
            assert (view.script_pubkey, view.witness_script) == (derived.script_pubkey, derived.witness_script)
            assert dict(view.derivations) == dict(ours.origins(change=False, index=index))
        pay, change = psbt.outputs
        assert (pay.script_pubkey, pay.amount_sat, pay.witness_script, dict(pay.derivations)) == (
            PAYEE,
            60_000,
            None,
            {},
        )
        assert change.witness_script == ours.derive(change=True, index=3).witness_script
        assert dict(change.derivations) == dict(ours.origins(change=True, index=3))

    def test_keeps_the_outputs_in_the_order_given(self):
        ours = vault()
        outputs = [PayOutput(PAYEE, amount) for amount in (30_000, 10_000, 20_000)]
        psbt = compose(inputs=[coin(ours)], outputs=outputs, network=REGTEST, locktime=144)
        assert [output.amount_sat for output in psbt.outputs] == [30_000, 10_000, 20_000]
        assert psbt.locktime == 144

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"amount_sat": 99_999}, "amount or script is not what its previous transaction says"),
            ({"index": 1}, "amount or script is not what its previous transaction says"),
            ({"vout": 0}, "amount or script is not what its previous transaction says"),
            ({"vout": 2}, "does not hold the coin"),
            ({"txid": "00" * 32}, "does not hold the coin"),
            ({"previous_transaction": b"\x01"}, "a previous transaction that is none"),
        ],
    )
    def test_refuses_a_coin_that_is_not_what_it_says(self, change, reason):
        with pytest.raises(InvalidInput, match=reason):
            compose(inputs=[replace(coin(vault()), **change)], outputs=[PayOutput(PAYEE, 1_000)], network=REGTEST)

    @pytest.mark.parametrize("amounts", [[0], [-1], [100_001], [60_000, 40_001], [True], [2_100_000_000_000_001]])
    def test_refuses_amounts_that_cannot_be_paid(self, amounts):
        with pytest.raises(InvalidInput):
            compose(inputs=[coin(vault())], outputs=[PayOutput(PAYEE, amount) for amount in amounts], network=REGTEST)

    def test_refuses_nothing_twice_and_another_network(self):
        one, pay = coin(vault()), [PayOutput(PAYEE, 1_000)]
        for inputs, outputs, net in (([], pay, REGTEST), ([one], [], REGTEST), ([one, one], pay, REGTEST)):
            with pytest.raises(InvalidInput):
                compose(inputs=inputs, outputs=outputs, network=net)
        with pytest.raises(InvalidInput, match="another network"):
            compose(inputs=[one], outputs=pay, network=MAINNET)

    def test_p072_refuses_to_call_a_foreign_script_our_change(self):
        ours = vault()
        for script in (PAYEE, ours.derive(change=False, index=3).script_pubkey):
            with pytest.raises(InvalidInput, match="not this vault's change"):
                compose(inputs=[coin(ours)], outputs=[PayOutput(script, 5_000, own=(ours, 3))], network=REGTEST)


class TestSignatures:
    @pytest.mark.parametrize("quorum", [(0, 1), (1, 0), (0, 2), (2, 1), (0, 1, 2)])
    def test_any_quorum_finalises_into_one_transaction_a_second_library_extracts_alike(self, quorum):
        psbt = payment()
        for place in quorum:
            answer = parse_psbt(_answer(payment(), place).base64)
            found = verified_signatures(ours=psbt, returned=answer, pubkeys=pubkeys_of(place))
            psbt = add_signatures(psbt, pubkeys=pubkeys_of(place), signatures=found)
        assert count_valid_signatures(psbt) == [len(quorum)] * 2
        final = finalize(psbt)
        signed = parse_transaction(final.raw)
        assert (final.txid, final.fee_sat) == (psbt.txid, 1_000)
        assert signed.wtxid == final.wtxid != final.txid
        by_bdk = bdkpython.Psbt(psbt.base64).finalize()
        assert by_bdk.could_finalize
        if len(quorum) == 2:
            assert bytes(by_bdk.psbt.extract_tx().serialize()) == final.raw

    @settings(max_examples=8, deadline=None)
    @given(st.permutations([0, 1, 2]))
    def test_the_order_of_signatures_changes_nothing(self, order):
        signed = payment()
        for place in order:
            signed = _answer(signed, place)
        assert signed.base64 == _answer(_answer(_answer(payment(), 0), 1), 2).base64

    def test_a_missing_quorum_is_not_final(self):
        with pytest.raises(NotFinal) as caught:
            finalize(_answer(payment(), 0))
        assert (caught.value.facts["have"], caught.value.facts["need"]) == (1, 2)
        with pytest.raises(NotFinal):
            extract(payment())

    def test_p071_refuses_an_answer_over_a_changed_transaction(self):
        ours = payment()
        outputs = ours.maps.unsigned.outputs
        raised = (replace(outputs[0], amount_sat=outputs[0].amount_sat + 1), outputs[1])
        for changes in (
            {"outputs": raised},
            {"outputs": (*outputs, TransactionOutput(1, PAYEE))},
            {"outputs": outputs[::-1]},
            {"locktime": 1},
            {"version": 1},
            {"inputs": ours.maps.unsigned.inputs[::-1]},
        ):
            changed = with_transaction(ours, **changes)
            assert _refusal(ours=ours, returned=changed).facts["reason"] == "changed-transaction"
            with pytest.raises(PsbtRefused, match="another transaction"):
                combine(ours, changed)

    @pytest.mark.parametrize("sighash_byte", [0x00, 0x02, 0x03, 0x81, 0x82, 0x83, 0x41])
    def test_p073_refuses_every_sighash_type_but_all(self, sighash_byte):
        ours = payment()
        secret, pubkey = ADA.secret(7, 0, 0), pubkeys_of(0)[0]
        bent = signature_over(ours.sighash(0), secret)[:-1] + bytes([sighash_byte])
        answer = with_input_field(_answer(ours, 0), 0, maps.IN_PARTIAL_SIGNATURE, bent, pubkey)
        assert _refusal(ours=ours, returned=answer).facts["reason"] == "wrong-sighash"
        assert count_valid_signatures(answer) == [0, 1]
        declared = with_input_field(_answer(ours, 0), 0, maps.IN_SIGHASH, bytes([sighash_byte, 0, 0, 0]))
        assert _refusal(ours=ours, returned=declared).facts["reason"] == "wrong-sighash"

    def test_p074_refuses_amounts_that_are_not_proved(self):
        psbt = payment()
        check_input_amounts(psbt)
        script = psbt.inputs[0].script_pubkey
        lies = {
            "lacks its previous transaction": (maps.IN_PREVIOUS, None),
            "is another one": (maps.IN_PREVIOUS, psbt.inputs[1].previous_transaction),
            "amount or script differ": (maps.IN_WITNESS_UTXO, write_output(TransactionOutput(99_999, script))),
            "script differ": (maps.IN_WITNESS_UTXO, write_output(TransactionOutput(100_000, PAYEE))),
        }
        for reason, (kind, value) in lies.items():
            with pytest.raises(PsbtRefused, match=reason):
                check_input_amounts(with_input_field(psbt, 0, kind, value))

    def test_p074_refuses_an_output_the_previous_transaction_does_not_have(self):
        psbt = payment()
        entries = psbt.maps.unsigned.inputs
        moved = with_transaction(psbt, inputs=(replace(entries[0], vout=9), entries[1]))
        with pytest.raises(PsbtRefused, match="has no such output"):
            check_input_amounts(moved)

    def test_p080_counts_no_duplicate_foreign_or_broken_signature(self):
        ours = payment()
        once = _answer(ours, 0)
        assert _answer(once, 0).base64 == once.base64
        assert combine(once, once).base64 == once.base64
        stranger = STRANGER.account.child(7).extended.child(0)
        keys = [stranger.child_public_key(index) for index in range(2)]
        forged = {index: signature_over(ours.sighash(index), STRANGER.secret(7, 0, index)) for index in range(2)}
        injected = once
        for index in range(2):
            injected = with_input_field(injected, index, maps.IN_PARTIAL_SIGNATURE, forged[index], keys[index])
        assert count_valid_signatures(injected) == [1, 1]
        with pytest.raises(NotFinal):
            finalize(injected)
        assert _refusal(ours=ours, returned=injected).facts["reason"] == "foreign-key"
        with pytest.raises(SignatureRefused):
            add_signatures(ours, pubkeys=keys, signatures=forged)

    @pytest.mark.parametrize(
        ("signature", "reason"),
        [
            (b"\x01", "bad-encoding"),
            (b"garbage" * 11, "bad-encoding"),
            (None, "missing-signature"),
        ],
    )
    def test_p080_refuses_garbage_and_silence(self, signature, reason):
        ours = payment()
        answer = with_input_field(_answer(ours, 0), 1, maps.IN_PARTIAL_SIGNATURE, signature, pubkeys_of(0)[1])
        refusal = _refusal(ours=ours, returned=answer)
        assert (refusal.facts["reason"], refusal.facts["input"]) == (reason, 1)
        assert count_valid_signatures(answer) == [1, 0]

    def test_p080_refuses_a_signature_over_another_digest(self):
        ours, other = payment(), payment(fee_sat=2_000)
        for signature in (
            signature_over(other.sighash(0), ADA.secret(7, 0, 0)),
            signature_over(ours.sighash(1), ADA.secret(7, 0, 0)),
            signature_over(ours.sighash(0), BEN.secret(7, 0, 0)),
        ):
            answer = with_input_field(_answer(ours, 0), 0, maps.IN_PARTIAL_SIGNATURE, signature, pubkeys_of(0)[0])
            assert _refusal(ours=ours, returned=answer).facts["reason"] == "does-not-verify"
            assert count_valid_signatures(answer) == [0, 1]
            with pytest.raises(NotFinal):
                finalize(_answer(answer, 1))

    def test_p080_another_cosigners_signature_is_not_this_ones(self):
        ours = payment()
        assert _refusal(ours=ours, returned=_answer(ours, 1)).facts["reason"] == "missing-signature"
        both = _answer(_answer(ours, 0), 1)
        assert set(verified_signatures(ours=ours, returned=both, pubkeys=pubkeys_of(0))) == {0, 1}

    def test_verifies_over_our_amounts_and_scripts_not_the_answers(self):
        ours = payment()
        script = ours.inputs[0].script_pubkey
        lying = with_input_field(ours, 0, maps.IN_WITNESS_UTXO, write_output(TransactionOutput(1, script)))
        answer = with_input_field(_answer(ours, 0), 0, maps.IN_WITNESS_UTXO, write_output(TransactionOutput(1, script)))
        assert set(verified_signatures(ours=ours, returned=answer, pubkeys=pubkeys_of(0))) == {0, 1}
        lied_to = signature_over(lying.sighash(0), ADA.secret(7, 0, 0))
        misled = with_input_field(_answer(ours, 0), 0, maps.IN_PARTIAL_SIGNATURE, lied_to, pubkeys_of(0)[0])
        assert _refusal(ours=ours, returned=misled).facts["reason"] == "does-not-verify"

    def test_wants_one_key_for_each_input(self):
        with pytest.raises(ValueError, match="one public key for each input"):
            verified_signatures(ours=payment(), returned=payment(), pubkeys=pubkeys_of(0)[:1])


class TestReading:
    @pytest.mark.parametrize("library", ["_embit_segwit", "_bitcoinlib_segwit"])
    def test_gives_no_digest_on_which_two_libraries_differ(self, library, monkeypatch):
        monkeypatch.setattr(sighash, library, lambda *_values: bytes(32))
        with pytest.raises(sighash.DigestMismatch, match="different digests"):
            payment().sighash(0)

    @pytest.mark.parametrize("library", ["_embit_segwit", "_bitcoinlib_segwit"])
    def test_gives_no_digest_that_one_library_cannot_compute(self, library, monkeypatch):
        monkeypatch.setattr(sighash, library, lambda *_values: [][0])
        with pytest.raises(sighash.DigestMismatch, match="cannot compute"):
            payment().sighash(0)

    def test_refuses_a_script_that_does_not_hash_to_the_spent_output(self):
        other = vault().derive(change=False, index=99).witness_script
        with pytest.raises(PsbtRefused, match="witness script does not match"):
            with_input_field(payment(), 0, maps.IN_WITNESS_SCRIPT, other).sighash(0)

    def test_refuses_contradicting_fields_when_combining(self):
        first = with_input_field(payment(), 0, maps.IN_SIGHASH, b"\x01\0\0\0")
        second = with_input_field(payment(), 0, maps.IN_SIGHASH, b"\x03\0\0\0")
        with pytest.raises(PsbtRefused, match="contradict"):
            combine(first, second)

    def test_refuses_the_fee_of_unknown_or_negative_amounts(self):
        bare = payment()
        for kind in (maps.IN_WITNESS_UTXO, maps.IN_PREVIOUS):
            bare = with_input_field(bare, 0, kind, None)
        with pytest.raises(PsbtRefused, match="does not say what it spends"):
            _ = bare.fee_sat
        script = payment().inputs[0].script_pubkey
        poor = with_input_field(payment(), 0, maps.IN_WITNESS_UTXO, write_output(TransactionOutput(1, script)))
        with pytest.raises(PsbtRefused, match="more than its inputs"):
            _ = poor.fee_sat

    def test_refuses_a_psbt_of_another_network(self):
        psbt = payment()
        parse_psbt(psbt.base64, network=REGTEST)
        with pytest.raises(PsbtRefused, match="a key path of another network than mainnet") as caught:
            parse_psbt(psbt.base64, network=MAINNET, field="bundle")
        assert caught.value.field == "bundle"
        bare = with_transaction(psbt)
        xpub = vault().keys[0].extended
        key = bytes([maps.GLOBAL_XPUB]) + xpub.version + bytes([4]) + xpub.parent_fingerprint
        key += xpub.child_number.to_bytes(4, "big") + xpub.chain_code + xpub.public_key
        shared = {**bare.maps.shared, key: bytes.fromhex("0d94f908") + b"\x01\0\0\0" * 4}
        only_xpub = type(bare)(replace(bare.maps, shared=shared, inputs=({}, {}), outputs=({}, {})))
        refuse_other_network(only_xpub, REGTEST)
        with pytest.raises(PsbtRefused, match="an extended key of another network"):
            refuse_other_network(only_xpub, MAINNET)

    def test_keeps_fields_that_are_nobodys_here(self):
        odd = with_input_field(payment(), 0, 0xFC, b"value", b"\x04abcd\x01key")
        again = parse_psbt(odd.base64)
        assert again.base64 == odd.base64
        final = finalize(_answer(_answer(again, 0), 1))
        assert final.txid == odd.txid
