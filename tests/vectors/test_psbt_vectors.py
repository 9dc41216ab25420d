"""PSBT vectors: BIP-174 in full, BIP-370 refused, BIP-371 and 373 fields kept, other wallets' flows."""

from __future__ import annotations

import pytest
from embit import ec

from custody.chains.bitcoin.offline.ecdsa import verify_message
from custody.chains.bitcoin.offline.encoding import base58check_encode
from custody.chains.bitcoin.offline.keys import format_path
from custody.chains.bitcoin.offline.psbt import (
    NotFinal,
    Psbt,
    PsbtRefused,
    add_signatures,
    check_input_amounts,
    combine,
    count_valid_signatures,
    extract,
    finalize,
    finalize_inputs,
    parse_psbt,
)
from custody.chains.bitcoin.offline.psbt.view import read_origin
from custody.chains.bitcoin.offline.script import push, read_multisig
from custody.chains.bitcoin.offline.signer import signature_over
from custody.chains.bitcoin.offline.transaction import parse_transaction
from tests.support.vectors import rows

WITHOUT_INPUTS = {"bip174-valid-8", "bip174-valid-9"}
FLOWS = "multisig_psbt_flows"


def _read(row, key: str = "psbt_base64") -> Psbt:
    return parse_psbt(row["input"][key])


def _same(first: Psbt, second: Psbt) -> bool:
    return (
        dict(first.maps.shared) == dict(second.maps.shared)
        and list(map(dict, first.maps.inputs)) == list(map(dict, second.maps.inputs))
        and list(map(dict, first.maps.outputs)) == list(map(dict, second.maps.outputs))
    )


VALID = [
    row
    for name in ("psbt_bip174", "psbt_bip371_taproot")
    for row in rows(name, "valid")
    if row.id not in WITHOUT_INPUTS
]


@pytest.mark.parametrize("row", VALID)
def test_reads_a_valid_psbt_and_keeps_every_byte(row):
    psbt = _read(row)
    assert psbt.base64 == row["input"]["psbt_base64"]
    assert psbt.txid == row["expected"]["unsigned_txid"]
    assert (len(psbt.inputs), len(psbt.outputs)) == (row["expected"]["inputs"], row["expected"]["outputs"])


@pytest.mark.parametrize("row", [row for row in rows("psbt_bip174", "valid") if row.id in WITHOUT_INPUTS])
def test_refuses_one_without_inputs_although_the_format_allows_it(row):
    with pytest.raises(PsbtRefused, match="0 inputs"):
        _read(row)


INVALID = [row for name in ("psbt_bip174", "psbt_bip371_taproot", "psbt_bip370_v2") for row in rows(name, "invalid")]


@pytest.mark.parametrize("row", INVALID)
def test_refuses_an_invalid_psbt(row):
    with pytest.raises(PsbtRefused):
        _read(row)


@pytest.mark.parametrize("row", rows("psbt_bip370_v2", "valid", "locktime"))
def test_refuses_version_2_by_name(row):
    with pytest.raises(PsbtRefused, match="PSBT version 2; accepted is version 0"):
        _read(row)


@pytest.mark.parametrize("row", rows("psbt_bip371_taproot", "valid"))
def test_counts_and_finalises_nothing_on_taproot(row):
    psbt = _read(row)
    assert count_valid_signatures(psbt) == [0] * len(psbt.inputs)
    with pytest.raises(NotFinal):
        finalize(psbt)


@pytest.mark.parametrize("row", rows("psbt_bip174", "signer_must_refuse"))
def test_gives_no_digest_where_a_signer_must_refuse(row):
    psbt = _read(row)
    for index, _reason in row["expected"]["bad_inputs"]:
        with pytest.raises(PsbtRefused):
            psbt.sighash(index)
        assert count_valid_signatures(psbt)[index] == 0


@pytest.mark.parametrize("row", rows("psbt_bip174", "creator"))
def test_writes_an_unsigned_transaction_as_the_creator_does(row):
    unsigned = parse_psbt(row["expected"]["psbt_base64"])
    entries = [(entry.txid, entry.vout, entry.sequence) for entry in unsigned.inputs]
    assert entries == [(entry["txid"], entry["vout"], entry["sequence"]) for entry in row["input"]["inputs"]]
    outputs = [(output.script_pubkey.hex(), output.amount_sat) for output in unsigned.outputs]
    assert outputs == [(output["script_pubkey_hex"], output["amount_sats"]) for output in row["input"]["outputs"]]
    assert (unsigned.version, unsigned.locktime) == (row["input"]["tx_version"], row["input"]["locktime"])


@pytest.mark.parametrize("row", rows("psbt_bip174", "updater", "updater_sighash"))
def test_reads_what_the_updater_added(row):
    before, after = _read(row), parse_psbt(row["expected"]["psbt_base64"])
    assert before.unsigned_transaction == after.unsigned_transaction
    for entry in after.inputs:
        assert entry.sighash_type == row["input"].get("sighash", entry.sighash_type)
        assert entry.amount_sat is not None
    given = {key["pubkey_hex"]: key["path"] for key in row["input"].get("keys", [])}
    claimed = {
        pubkey.hex(): "m/" + format_path(path).replace("h", "'")
        for view in (*after.inputs, *after.outputs)
        for pubkey, (fingerprint, path) in view.derivations.items()
        if fingerprint == row["input"].get("master_fingerprint")
    }
    assert claimed == given


@pytest.mark.parametrize("row", rows("psbt_bip174", "signer"))
def test_makes_the_same_signatures(row):
    psbt, expected = _read(row), parse_psbt(row["expected"]["psbt_base64"])
    signed = psbt
    for key in row["input"]["keys"]:
        private = ec.PrivateKey.from_wif(key["wif"])
        pubkey = private.sec()
        for index, entry in enumerate(psbt.inputs):
            if pubkey in entry.derivations:
                signature = signature_over(psbt.sighash(index), private.secret)
                signed = add_signatures(signed, pubkeys=[pubkey] * 2, signatures={index: signature})
    assert _same(signed, expected)
    assert count_valid_signatures(signed) == [1, 1]


@pytest.mark.parametrize("row", rows("psbt_bip174", "combiner"))
def test_combines_into_the_same_maps(row):
    first, second = map(parse_psbt, row["input"]["psbts_base64"])
    assert _same(combine(first, second), parse_psbt(row["expected"]["psbt_base64"]))
    assert _same(combine(second, first), parse_psbt(row["expected"]["psbt_base64"]))


@pytest.mark.parametrize("row", rows("psbt_bip174", "finalizer"))
def test_finalises_into_the_same_maps(row):
    psbt = _read(row)
    assert count_valid_signatures(psbt) == [2, 2]
    assert _same(finalize_inputs(psbt), parse_psbt(row["expected"]["psbt_base64"]))


@pytest.mark.parametrize("row", rows("psbt_bip174", "extractor"))
def test_extracts_the_same_transaction(row):
    final = extract(_read(row))
    assert (final.raw.hex(), final.txid) == (row["expected"]["tx_hex"], row["expected"]["txid"])


@pytest.mark.parametrize("row", rows(FLOWS, "inspect"))
def test_shows_what_another_wallets_psbt_pays(row):
    psbt, expected = _read(row), row["expected"]
    assert (psbt.txid, psbt.fee_sat) == (expected["unsigned_txid"], expected["fee_sats"])
    for view, entry in zip(psbt.inputs, expected["inputs"], strict=True):
        assert (len(view.partial_signatures), view.amount_sat) == (entry["partial_sigs"], entry["amount_sats"])
        claimed = [[key.hex(), origin[0], "m/" + format_path(origin[1])] for key, origin in view.derivations.items()]
        assert sorted(claimed) == sorted(entry.get("derivations", claimed))
    outputs = [(output.amount_sat, output.script_pubkey.hex()) for output in psbt.outputs]
    assert outputs == [(output["amount_sats"], output["script_pubkey_hex"]) for output in expected["outputs"]]
    xpubs = [
        [base58check_encode(key[1:]), *_origin_text(value)] for key, value in psbt.maps.shared.items() if key[0] == 1
    ]
    assert sorted(xpubs) == sorted(expected.get("global_xpubs", xpubs))


def _origin_text(value: bytes) -> list[str]:
    fingerprint, path = read_origin(value)
    return [fingerprint, "m/" + format_path(path)]


@pytest.mark.parametrize("row", rows(FLOWS, "partial_signatures"))
def test_counts_the_valid_signatures_of_another_wallet(row):
    psbt, expected = _read(row), row["expected"]
    assert sum(count_valid_signatures(psbt)) == expected["valid_signatures"]
    assert sum(len(view.partial_signatures) for view in psbt.inputs) == expected["total_signatures"]
    assert (psbt.txid, psbt.fee_sat) == (expected["unsigned_txid"], expected["fee_sats"])
    with pytest.raises(NotFinal):
        finalize(psbt)


@pytest.mark.parametrize("row", rows(FLOWS, "final_transaction"))
def test_finalises_with_the_second_signature_into_the_same_transaction(row):
    psbt = _read(row)
    check_input_amounts(psbt)
    signed = parse_transaction(bytes.fromhex(row["expected"]["tx_hex"]))
    for index, entry in enumerate(signed.inputs):
        for signature in entry.witness[1:-1] or _pushes(entry.script_sig)[1:-1]:
            pubkey = _signer(psbt, index, signature)
            psbt = add_signatures(psbt, pubkeys=[pubkey] * len(signed.inputs), signatures={index: signature})
    final = finalize(psbt)
    got = (final.raw.hex(), final.txid, final.wtxid, final.weight, final.vsize)
    assert got == tuple(row["expected"][key] for key in ("tx_hex", "txid", "wtxid", "weight", "vsize"))


def _signer(psbt: Psbt, index: int, signature: bytes) -> bytes:
    members = read_multisig(psbt.script_code(index)[0]).pubkeys
    return next(key for key in members if verify_message(key, psbt.sighash(index), signature[:-1]))


def _pushes(script: bytes) -> list[bytes]:
    found = []
    while script:
        width = {0x4C: 1, 0x4D: 2}.get(script[0], 0)
        length = int.from_bytes(script[1 : 1 + width], "little") if width else script[0]
        found.append(script[1 + width : 1 + width + length])
        assert push(found[-1]) == script[: 1 + width + length]
        script = script[1 + width + length :]
    return found


@pytest.mark.parametrize("row", rows(FLOWS, "not_final"))
def test_does_not_finalise_without_signatures(row):
    psbt = _read(row)
    assert sum(count_valid_signatures(psbt)) == row["expected"]["valid_signatures"]
    with pytest.raises(NotFinal):
        finalize(psbt)


@pytest.mark.parametrize("row", rows(FLOWS, "finalize_extract"))
def test_extracts_the_transaction_another_wallet_finalised(row):
    final = finalize(_read(row))
    got = (final.raw.hex(), final.txid, final.weight, final.vsize)
    assert got == tuple(row["expected"][key] for key in ("tx_hex", "txid", "weight", "vsize"))
